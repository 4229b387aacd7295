import type { QoS } from "../protocol/constants.ts";
import type { ApplicationMessage } from "../protocol/messages.ts";
import type { ByteReader, ByteWriter } from "./byte-writer.ts";
import type { StoredWill } from "./store.ts";
import { bodyLength } from "./stored-message.ts";

/**
 * Application messages and wills in the store's binary form, and the small integers
 * that several of their fields are packed into. Pure.
 */

/** qos and retain in three bits, as the columns `flags` hold them. */
export function packFlags(qos: QoS, retain: boolean): number {
	return qos | (retain ? 4 : 0);
}

export function flagsQos(flags: number): QoS {
	return (flags & 3) as QoS;
}

export function flagsRetain(flags: number): boolean {
	return (flags & 4) !== 0;
}

/** Topic, property and payload bytes: what queues and retained messages are counted in. */
export function messageBytes(message: ApplicationMessage): number {
	return Buffer.byteLength(message.topic) + bodyLength(message);
}

export function writeMessage(
	writer: ByteWriter,
	message: ApplicationMessage,
): void {
	writer.u8(packFlags(message.qos, message.retain));
	writer.f64(message.expirySeconds);
	writer.text(message.topic);
	writer.bytes(message.properties);
	writer.bytes(message.payload);
}

/** The message's buffers are views of the reader's memory. */
export function readMessage(reader: ByteReader): ApplicationMessage {
	const flags = reader.u8();
	const expirySeconds = reader.f64();
	return {
		topic: reader.text(),
		qos: flagsQos(flags),
		retain: flagsRetain(flags),
		expirySeconds,
		properties: reader.bytes(),
		payload: reader.bytes(),
	};
}

export function writeWill(writer: ByteWriter, will: StoredWill): void {
	writer.f64(will.delaySeconds);
	writeMessage(writer, will);
}

export function readWill(reader: ByteReader): StoredWill {
	const delaySeconds = reader.f64();
	return { ...readMessage(reader), delaySeconds };
}
