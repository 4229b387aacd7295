import { violation } from "./bytes.ts";
import { PropertyId } from "./constants.ts";
import { checkFlags, Fields } from "./fields.ts";
import type { Family } from "./messages.ts";
import { Context, hasProperty } from "./properties.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * The checks that the packet library does not make: a walk over the raw bytes of a
 * packet, field by field, that throws at the first thing the standard forbids. What
 * passes here the library can read. Pure functions; positions are absolute indexes.
 */

/** @param flags the lower four bits of the first byte: 2, or 10 for a 3.1 client's second attempt */
export function checkUnsubscribe(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
	flags: number,
): void {
	checkFlags(buffer, start, flags, "UNSUBSCRIBE"); // [MQTT-3.10.1-1]
	const fields = new Fields(buffer, bodyStart, end, "UNSUBSCRIBE");
	fields.packetId();
	if (family === 5) fields.properties(Context.Unsubscribe);
	if (fields.isAtEnd) throw violation("UNSUBSCRIBE without a topic filter"); // [MQTT-3.10.3-2]
	while (!fields.isAtEnd) fields.string("topic filter"); // [MQTT-3.10.3-1]
}

/** What a client may say with DISCONNECT [MQTT 5, 3.14.2.1]. */
const disconnectCodes: ReadonlySet<number> = new Set([
	ReasonCode.Success,
	ReasonCode.DisconnectWithWill,
	ReasonCode.UnspecifiedError,
	ReasonCode.MalformedPacket,
	ReasonCode.ProtocolError,
	ReasonCode.ImplementationSpecificError,
	ReasonCode.TopicNameInvalid,
	ReasonCode.ReceiveMaximumExceeded,
	ReasonCode.TopicAliasInvalid,
	ReasonCode.PacketTooLarge,
	ReasonCode.MessageRateTooHigh,
	ReasonCode.QuotaExceeded,
	ReasonCode.AdministrativeAction,
	ReasonCode.PayloadFormatInvalid,
]);

export function checkDisconnect(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
): void {
	checkFlags(buffer, start, 0, "DISCONNECT"); // [MQTT-3.14.1-1]
	const fields = new Fields(buffer, bodyStart, end, "DISCONNECT");
	if (family === 5 && !fields.isAtEnd) {
		const code = fields.byte();
		if (!disconnectCodes.has(code))
			throw violation(
				`DISCONNECT with reason code 0x${code.toString(16)}`, // [MQTT-3.14.2-1]
			);
		if (!fields.isAtEnd) fields.properties(Context.Disconnect);
	}
	fields.finish();
}

export function checkAuth(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
): void {
	checkFlags(buffer, start, 0, "AUTH"); // [MQTT-3.15.1-1]
	const fields = new Fields(buffer, bodyStart, end, "AUTH");
	const code = fields.isAtEnd ? ReasonCode.Success : fields.byte();
	if (
		code !== ReasonCode.ContinueAuthentication &&
		code !== ReasonCode.ReAuthenticate
	)
		throw violation(`AUTH with reason code 0x${code.toString(16)}`); // [MQTT-3.15.2-1]
	const properties = fields.properties(Context.Auth);
	if (!hasProperty(properties, PropertyId.AuthenticationMethod))
		throw violation("AUTH without Authentication Method");
	fields.finish();
}
