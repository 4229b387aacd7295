import { byteAt, malformed, uint16At, violation } from "./bytes.ts";
import {
	type Context,
	type PropertyBlock,
	readProperties,
} from "./properties.ts";
import { isValidUtf8 } from "./utf8.ts";

/** A cursor over the fields of one packet, which refuses what is cut off or ill-formed. */

export class Fields {
	readonly buffer: Buffer;
	readonly end: number;
	/** Name of the packet, for messages. */
	readonly packet: string;
	at: number;

	constructor(buffer: Buffer, at: number, end: number, packet: string) {
		this.buffer = buffer;
		this.at = at;
		this.end = end;
		this.packet = packet;
	}

	get isAtEnd(): boolean {
		return this.at === this.end;
	}

	/** Steps over `count` bytes and returns where they begin. */
	skip(count: number): number {
		const start = this.at;
		if (start + count > this.end) throw malformed(`${this.packet} is cut off`);
		this.at = start + count;
		return start;
	}

	byte(): number {
		return byteAt(this.buffer, this.skip(1));
	}

	uint16(): number {
		return uint16At(this.buffer, this.skip(2));
	}

	/** Steps over Binary Data; returns where its content begins, `at` is where it ends. */
	binary(): number {
		const length = this.uint16();
		return this.skip(length);
	}

	/** Steps over a UTF-8 Encoded String; returns where its content begins. */
	string(what: string): number {
		const start = this.binary();
		if (!isValidUtf8(this.buffer, start, this.at))
			throw malformed(`${what} is not valid UTF-8`); // [MQTT-1.5.4-1] [MQTT-1.5.4-2]
		return start;
	}

	packetId(): number {
		const packetId = this.uint16();
		if (packetId === 0)
			throw violation(`${this.packet} with packet identifier 0`); // [MQTT-2.2.1-3]
		return packetId;
	}

	properties(context: Context): PropertyBlock {
		const block = readProperties(this.buffer, this.at, this.end, context);
		this.at = block.end;
		return block;
	}

	finish(): void {
		if (this.at !== this.end)
			throw malformed(`${this.packet} with bytes behind its end`);
	}
}

/** The lower four bits of the first byte are reserved in most packets. */
export function checkFlags(
	buffer: Buffer,
	start: number,
	flags: number,
	packet: string,
): void {
	if ((byteAt(buffer, start) & 15) !== flags)
		throw malformed(`${packet} with wrong flags`); // [MQTT-2.1.3-1]
}
