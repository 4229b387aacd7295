import {
	byteAt,
	malformed,
	uint16At,
	uint32At,
	varintAt,
	varintSize,
	violation,
} from "./bytes.ts";
import { PropertyId } from "./constants.ts";
import { isValidUtf8 } from "./utf8.ts";

/**
 * The MQTT 5 properties of all packets that a client may send, except PUBLISH: which
 * property may stand where, how often, with which type and range [MQTT 5, 2.2.2.2].
 * Pure functions over raw bytes; positions are kept, because their order matters.
 */

/** Where a list of properties stands; one bit each. */
export const Context = {
	Connect: 1,
	Will: 2,
	Acknowledgement: 4,
	Subscribe: 8,
	Unsubscribe: 16,
	Disconnect: 32,
	Auth: 64,
} as const;
export type Context = (typeof Context)[keyof typeof Context];

const contextName: Readonly<Record<Context, string>> = {
	[Context.Connect]: "CONNECT",
	[Context.Will]: "will",
	[Context.Acknowledgement]: "acknowledgement",
	[Context.Subscribe]: "SUBSCRIBE",
	[Context.Unsubscribe]: "UNSUBSCRIBE",
	[Context.Disconnect]: "DISCONNECT",
	[Context.Auth]: "AUTH",
};

type ValueType =
	| "byte"
	| "uint16"
	| "uint32"
	| "varint"
	| "string"
	| "topic"
	| "binary"
	| "pair";

interface PropertyRule {
	readonly name: string;
	readonly type: ValueType;
	/** Sum of the {@link Context} bits where it may stand. */
	readonly contexts: number;
	readonly min: number;
	readonly max: number;
}

function rule(
	name: string,
	type: ValueType,
	contexts: number,
	min = 0,
	max = Number.POSITIVE_INFINITY,
): PropertyRule {
	return { name, type, contexts, min, max };
}

const { Connect, Will, Acknowledgement, Subscribe, Disconnect, Auth } = Context;
const P = PropertyId;

const rules: ReadonlyMap<number, PropertyRule> = new Map([
	[
		P.PayloadFormatIndicator,
		rule("Payload Format Indicator", "byte", Will, 0, 1),
	],
	[P.MessageExpiryInterval, rule("Message Expiry Interval", "uint32", Will)],
	[P.ContentType, rule("Content Type", "string", Will)],
	[P.ResponseTopic, rule("Response Topic", "topic", Will)],
	[P.CorrelationData, rule("Correlation Data", "binary", Will)],
	[
		P.SubscriptionIdentifier,
		rule("Subscription Identifier", "varint", Subscribe, 1),
	],
	[
		P.SessionExpiryInterval,
		rule("Session Expiry Interval", "uint32", Connect | Disconnect),
	],
	[
		P.AuthenticationMethod,
		rule("Authentication Method", "string", Connect | Auth),
	],
	[P.AuthenticationData, rule("Authentication Data", "binary", Connect | Auth)],
	[
		P.RequestProblemInformation,
		rule("Request Problem Information", "byte", Connect, 0, 1),
	],
	[P.WillDelayInterval, rule("Will Delay Interval", "uint32", Will)],
	[
		P.RequestResponseInformation,
		rule("Request Response Information", "byte", Connect, 0, 1),
	],
	[
		P.ReasonString,
		rule("Reason String", "string", Acknowledgement | Disconnect | Auth),
	],
	[P.ReceiveMaximum, rule("Receive Maximum", "uint16", Connect, 1)],
	[P.TopicAliasMaximum, rule("Topic Alias Maximum", "uint16", Connect)],
	[P.UserProperty, rule("User Property", "pair", 127)],
	[P.MaximumPacketSize, rule("Maximum Packet Size", "uint32", Connect, 1)],
]);

/** One property in the bytes; `valueStart` is behind its identifier. */
export interface PropertyEntry {
	readonly id: number;
	readonly start: number;
	readonly valueStart: number;
	readonly end: number;
}

/** A checked list of properties; positions are indexes into the buffer it was read from. */
export interface PropertyBlock {
	/** The first property; where the Property Length ends. */
	readonly start: number;
	readonly end: number;
	readonly entries: readonly PropertyEntry[];
}

/**
 * Reads and checks the Property Length at `at` and the properties behind it.
 * @param end of the packet
 * @throws ProtocolError MalformedPacket for what cannot be read or does not belong
 *   here, ProtocolError for a property given twice or a value out of its range
 */
export function readProperties(
	buffer: Buffer,
	at: number,
	end: number,
	context: Context,
): PropertyBlock {
	const length = varintAt(buffer, at, end, "Property Length");
	const start = at + varintSize(length);
	const blockEnd = start + length;
	if (blockEnd > end)
		throw malformed("Property Length reaches beyond the packet");
	const entries: PropertyEntry[] = [];
	const seen = new Set<number>();
	let next = start;
	while (next < blockEnd) {
		const entry = readProperty(buffer, next, blockEnd, context);
		if (entry.id !== PropertyId.UserProperty && seen.has(entry.id))
			throw violation(
				`${rules.get(entry.id)?.name} twice in ${contextName[context]}`,
			);
		seen.add(entry.id);
		entries.push(entry);
		next = entry.end;
	}
	return { start, end: blockEnd, entries };
}

function readProperty(
	buffer: Buffer,
	start: number,
	end: number,
	context: Context,
): PropertyEntry {
	const id = varintAt(buffer, start, end, "a property identifier");
	const found = rules.get(id);
	if (found === undefined || (found.contexts & context) === 0)
		throw malformed(
			`property 0x${id.toString(16)} does not belong in ${contextName[context]}`,
		);
	const valueStart = start + varintSize(id);
	const valueEnd = endOfValue(buffer, valueStart, end, found.type);
	if (valueEnd > end) throw malformed(`${found.name} is cut off`);
	checkValue(buffer, valueStart, valueEnd, found);
	return { id, start, valueStart, end: valueEnd };
}

/** Index behind a value, which may lie beyond `end`. */
function endOfValue(
	buffer: Buffer,
	at: number,
	end: number,
	type: ValueType,
): number {
	switch (type) {
		case "byte":
			return at + 1;
		case "uint16":
			return at + 2;
		case "uint32":
			return at + 4;
		case "varint":
			return at + varintSize(varintAt(buffer, at, end, "a property"));
		case "pair":
			return endOfBytes(buffer, endOfBytes(buffer, at, end), end);
		default:
			return endOfBytes(buffer, at, end);
	}
}

function endOfBytes(buffer: Buffer, at: number, end: number): number {
	if (at + 2 > end) return end + 1;
	return at + 2 + uint16At(buffer, at);
}

function checkValue(
	buffer: Buffer,
	start: number,
	end: number,
	expected: PropertyRule,
): void {
	if (expected.type === "binary") return;
	if (expected.type === "pair") {
		const middle = start + 2 + uint16At(buffer, start);
		checkString(buffer, start, middle, expected); // [MQTT-1.5.7-1]
		checkString(buffer, middle, end, expected);
		return;
	}
	if (expected.type === "string" || expected.type === "topic") {
		checkString(buffer, start, end, expected);
		if (expected.type === "topic") checkTopic(buffer, start + 2, end, expected);
		return;
	}
	const value = numberAt(buffer, start, end, expected.type);
	if (value < expected.min || value > expected.max)
		throw violation(`${expected.name} is ${value}`);
}

function checkString(
	buffer: Buffer,
	start: number,
	end: number,
	expected: PropertyRule,
): void {
	if (!isValidUtf8(buffer, start + 2, end))
		throw malformed(`${expected.name} is not valid UTF-8`); // [MQTT-1.5.4-1] [MQTT-1.5.4-2]
}

function checkTopic(
	buffer: Buffer,
	start: number,
	end: number,
	expected: PropertyRule,
): void {
	if (start === end) throw violation(`${expected.name} is empty`); // [MQTT-4.7.3-1]
	for (let at = start; at < end; at++) {
		const byte = byteAt(buffer, at);
		if (byte === 0x2b || byte === 0x23)
			throw violation(`${expected.name} contains a wildcard`); // [MQTT-3.3.2-14]
	}
}

function numberAt(
	buffer: Buffer,
	start: number,
	end: number,
	type: ValueType,
): number {
	if (type === "byte") return byteAt(buffer, start);
	if (type === "uint16") return uint16At(buffer, start);
	if (type === "uint32") return uint32At(buffer, start);
	return varintAt(buffer, start, end, "a property");
}

/** What a packet without a list of properties has. */
export const NO_PROPERTIES: PropertyBlock = Object.freeze({
	start: 0,
	end: 0,
	entries: [],
});

/** True when the list has this property. */
export function hasProperty(block: PropertyBlock, id: number): boolean {
	return propertyAt(block, id) >= 0;
}

/** Where the value of a property begins that is there once at most; -1 when it is absent. */
export function propertyAt(block: PropertyBlock, id: number): number {
	for (const entry of block.entries)
		if (entry.id === id) return entry.valueStart;
	return -1;
}

/** The user properties in the order in which they were sent. */
export function userPropertiesOf(
	buffer: Buffer,
	block: PropertyBlock,
): Array<readonly [string, string]> {
	const pairs: Array<readonly [string, string]> = [];
	for (const entry of block.entries) {
		if (entry.id !== PropertyId.UserProperty) continue;
		const middle = entry.valueStart + 2 + uint16At(buffer, entry.valueStart);
		pairs.push([
			buffer.toString("utf8", entry.valueStart + 2, middle),
			buffer.toString("utf8", middle + 2, entry.end),
		]);
	}
	return pairs;
}

/** A copy of the raw properties in their order, without those named. */
export function copyPropertiesWithout(
	buffer: Buffer,
	block: PropertyBlock,
	...without: readonly number[]
): Buffer {
	const parts: Buffer[] = [];
	for (const entry of block.entries)
		if (!without.includes(entry.id))
			parts.push(buffer.subarray(entry.start, entry.end));
	return Buffer.concat(parts);
}
