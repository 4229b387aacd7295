/**
 * What the memory test sends, as numbers: the loader makes each message from its
 * topic and number, and the checker, another process, makes it again to compare.
 */
export interface MemoryOrder {
	readonly port: number;
	/** Persistent clients that are away while their messages come. */
	readonly absentClients: number;
	/** Messages for all of them together. */
	readonly queuedMessages: number;
	readonly retainedTopics: number;
	/** Clients that stay connected and get a message now and then. */
	readonly crowd: number;
	/** Persistent sessions, each with a subscription, whose clients stay away. */
	readonly sessions: number;
}

export const PAYLOAD_BYTES = 256;
export const RETAINED_BYTES = 64;
export const SLOW_CLIENT = "slow-qos1";

export function queueTopic(client: number): string {
	return `queue/${client}`;
}

export function retainedTopic(index: number): string {
	return `site/${index % 1000}/sensor-${index}/state`;
}

/** What a session subscribes to: a third has a topic of its own, the others share one. */
export function commandTopic(session: number): string {
	const name = session % 3 === 0 ? `device-${session}` : "all";
	return `devices/${name}/commands`;
}

/** One session of so many is commanded; these have topics of their own. */
export const COMMAND_EACH = 300;

/** Messages for one absent client. */
export function messagesFor(order: MemoryOrder): number {
	return Math.floor(order.queuedMessages / order.absentClients);
}

/** Fills `payload` with what message `number` of series `series` holds. */
export function fillPayload(
	payload: Buffer,
	series: number,
	number: number,
): void {
	let word = (Math.imul(series + 1, 0x9e3779b1) ^ number) >>> 0;
	for (let at = 0; at < payload.length; at += 4) {
		payload.writeUInt32BE(word, at);
		word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
	}
	payload.writeUInt32BE(series, 0);
	payload.writeUInt32BE(number, 4);
}

/** The series of retained messages: no queue has this number. */
export const RETAINED_SERIES = 1_000_000;
