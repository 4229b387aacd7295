/** What connections of a run share, and whom they tell. */
import type { BenchConnection } from "./bench-connection.ts";

const READ_BYTES = 256 * 1024;
/** Each two bytes of a read could want an answer, at most. */
const ACK_BYTES = 2 * READ_BYTES;

/** Where the broker is. */
export interface Target {
	readonly host: string;
	readonly port: number;
	/** A unix socket instead; empty for TCP. */
	readonly path: string;
}

/** What a run is told of its connections. */
export interface ConnectionOwner {
	/**
	 * A PUBLISH. The buffer is borrowed until this returns.
	 * @param isShared it lies in {@link ReadBuffer.bytes}, as nearly all do
	 */
	arrived(
		connection: BenchConnection,
		buffer: Buffer,
		payloadAt: number,
		end: number,
		isShared: boolean,
	): void;
	/** Once for each read, before what it holds. */
	reads(): void;
	/** PUBACK, PUBCOMP or a refusing PUBREC. @param isRefused by a reason code */
	settled(
		connection: BenchConnection,
		packetId: number,
		isRefused: boolean,
	): void;
	/** There may be room to send. */
	hasRoom(): void;
	/** The broker or the system has closed an open connection. */
	lost(): void;
}

/** One read of the system; a read is handled before the next begins. */
export class ReadBuffer {
	readonly bytes = Buffer.allocUnsafeSlow(READ_BYTES);
	readonly view = new DataView(
		this.bytes.buffer,
		this.bytes.byteOffset,
		this.bytes.length,
	);
	/** Answers to what one read held. */
	acks = Buffer.allocUnsafeSlow(ACK_BYTES);

	/** Of those there are the system still needs some bytes. */
	renewAcks(): void {
		this.acks = Buffer.allocUnsafeSlow(ACK_BYTES);
	}
}

/** The broker has refused, or does not answer; the message says which connection and why. */
export class ConnectionFailure extends Error {
	override readonly name = "ConnectionFailure";
}
