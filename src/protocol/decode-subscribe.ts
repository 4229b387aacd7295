import { byteAt, malformed, varintAt, violation } from "./bytes.ts";
import { PropertyId, type QoS } from "./constants.ts";
import { checkFlags, Fields } from "./fields.ts";
import type { Family, Subscribe, SubscriptionRequest } from "./messages.ts";
import { Context, NO_PROPERTIES, propertyAt } from "./properties.ts";

/** SUBSCRIBE, in one walk over its bytes: after a power cut each client sends one, too. */

const DUP = 8;
const SHARE_PREFIX = "$share/";

const Option = {
	QoS: 0x03,
	NoLocal: 0x04,
	RetainAsPublished: 0x08,
	RetainHandling: 0x30,
} as const;
const RETAIN_HANDLING_SHIFT = 4;
const reservedOptions: Readonly<Record<Family, number>> = { 3: 0xfc, 5: 0xc0 };

/** The flags a request has to have; a 3.1 client may set DUP when it sends one again. */
export function requestFlags(
	buffer: Buffer,
	start: number,
	dupAllowed: boolean,
): number {
	const first = byteAt(buffer, start);
	return dupAllowed && (first & DUP) !== 0 ? 2 | DUP : 2; // [v3.1 section 3.8] [v3.1 section 3.10]
}

/**
 * Decodes a SUBSCRIBE. Whether its filters are well-formed is not checked here: an
 * invalid one is a reason to answer in version 5 and to close in 3.x.
 * @param dupAllowed the dialect lets a request be sent again with DUP (3.1)
 * @throws ProtocolError
 */
export function decodeSubscribe(
	buffer: Buffer,
	start: number,
	bodyStart: number,
	end: number,
	family: Family,
	dupAllowed = false,
): Subscribe {
	const flags = requestFlags(buffer, start, dupAllowed);
	checkFlags(buffer, start, flags, "SUBSCRIBE"); // [MQTT-3.8.1-1]
	const fields = new Fields(buffer, bodyStart, end, "SUBSCRIBE");
	const packetId = fields.packetId();
	const properties =
		family === 5 ? fields.properties(Context.Subscribe) : NO_PROPERTIES;
	if (fields.isAtEnd) throw violation("SUBSCRIBE without a topic filter"); // [MQTT-3.8.3-2]
	const subscriptions: SubscriptionRequest[] = [];
	while (!fields.isAtEnd) subscriptions.push(readRequest(fields, family));
	const identifierAt = propertyAt(
		properties,
		PropertyId.SubscriptionIdentifier,
	);
	const subscriptionIdentifier =
		identifierAt < 0
			? 0
			: varintAt(buffer, identifierAt, end, "Subscription Identifier");
	return { packetId, subscriptionIdentifier, subscriptions };
}

function readRequest(fields: Fields, family: Family): SubscriptionRequest {
	const start = fields.string("topic filter"); // [MQTT-3.8.3-1]
	const filter = fields.buffer.toString("utf8", start, fields.at);
	const options = fields.byte();
	const qos = options & Option.QoS;
	const noLocal = (options & Option.NoLocal) !== 0;
	const retainHandling =
		(options & Option.RetainHandling) >> RETAIN_HANDLING_SHIFT;
	if ((options & reservedOptions[family]) !== 0)
		throw malformed("SUBSCRIBE with reserved option bits"); // [MQTT-3.8.3-5]
	if (qos === 3) throw violation("SUBSCRIBE with QoS 3");
	if (retainHandling === 3) throw violation("SUBSCRIBE with Retain Handling 3");
	if (noLocal && filter.startsWith(SHARE_PREFIX))
		throw violation("No Local on a shared subscription"); // [MQTT-3.8.3-4]
	return {
		filter,
		qos: qos as QoS,
		noLocal,
		retainAsPublished: (options & Option.RetainAsPublished) !== 0,
		retainHandling: retainHandling as 0 | 1 | 2,
	};
}
