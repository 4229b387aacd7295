import type { ReasonCode } from "./reason-codes.ts";

/**
 * The peer broke the protocol. Thrown by decoders and handlers, caught once in
 * `Connection.onData`, where the dialect turns it into a CONNACK, a DISCONNECT or
 * a plain close.
 */
export class ProtocolError extends Error {
	override readonly name = "ProtocolError";
	readonly reasonCode: ReasonCode;

	/**
	 * @param reasonCode what a version 5 client is told
	 * @param message what was wrong, for the log and the Reason String: never payload, never a secret
	 */
	constructor(reasonCode: ReasonCode, message: string) {
		super(message);
		this.reasonCode = reasonCode;
	}
}
