/** Payloads that prove themselves: a number, a checksum over topic and number, and filling. */
import { crc32 } from "node:zlib";

/** The payload of a message; its length differs from number to number, some need overflow pages. */
export function payloadOf(topic: string, number: number): string {
	if (isClearing(topic, number)) return "";
	const bytes = number % 50 === 0 ? 6000 : (number * 37) % 300;
	const sum = crc32(`${topic} ${number}`).toString(16);
	return `${number} ${sum} ${sum.repeat(Math.ceil(bytes / sum.length))}`;
}

/** The number of a payload, 0 for an empty one; null when it is not what was published. */
export function numberOf(topic: string, payload: string): number | null {
	if (payload === "") return 0;
	const number = Number.parseInt(payload, 10);
	return payload === payloadOf(topic, number) ? number : null;
}

/** Topics that end in `/cleared` lose their retained message every now and then. */
export function isClearing(topic: string, number: number): boolean {
	return (
		topic.startsWith("kept/") && topic.endsWith("/cleared") && number % 5 === 0
	);
}

/** Message expiry in seconds; -1 for none. */
export function expiryOf(topic: string): number {
	if (!topic.startsWith("kept/")) return -1;
	return topic.endsWith("/brief") ? BRIEF_SECONDS : -1;
}

export const BRIEF_SECONDS = 2;
