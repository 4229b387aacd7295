/**
 * What a case says has to arrive, compared with what did.
 *
 *   20 02 00 00                       exact bytes, wildcards as in notation.ts
 *   connack 0 [sp] [{..}]             reason codes in hex, several with |; 3.x: return code
 *   publish TOPIC PAYLOAD [q1|q2] [retain] [dup] [?id] [{..}]
 *   puback ID [CODES] [{..}]          also pubrec, pubrel, pubcomp; ID is 0001 or ?name
 *   suback ID CODE.. [{..}]           one code (or several with |) a filter
 *   unsuback ID CODE.. [{..}]         the codes are compared in MQTT 5 only
 *   pingresp | disconnect CODES [{..}] | auth CODES [{..}]
 *
 * PAYLOAD is byte notation without spaces outside quotes, or `*` for any. {..} is JSON:
 * a subset of the properties under mqtt-packet's names; null means absent,
 * {"between":[a,b]} a number in a range, "*" present. In 3.x properties are not compared.
 */
import type { Packet } from "mqtt-packet";
import type { ReceivedPacket } from "../support/wire-client.ts";
import {
	type Captures,
	encodeNotation,
	matchesPattern,
	type NotationContext,
	parseNotation,
} from "./notation.ts";

type Fields = Record<string, unknown>;

const DECODED =
	/^(connack|publish|puback|pubrec|pubrel|pubcomp|suback|unsuback|pingresp|disconnect|auth)\b/;

/** Empty when the packet is what was expected, or what is wrong with it. */
export function mismatch(
	expected: string,
	received: ReceivedPacket,
	context: NotationContext,
	captures: Captures,
): string {
	const name = DECODED.exec(expected)?.[0];
	if (name === undefined) {
		const parts = parseNotation(expected, context);
		return matchesPattern(parts, received.bytes, captures) ? "" : "other bytes";
	}
	const packet = received.packet;
	if (packet === null) return `not decodable: ${received.problem}`;
	if (packet.cmd !== name) return `a ${packet.cmd.toUpperCase()} instead`;
	const { words, properties } = tokenize(expected, context);
	words.shift();
	const wrong =
		name === "publish"
			? wrongInPublish(words, packet, context, captures)
			: wrongInOther(words, packet, context, captures);
	if (wrong !== "") return wrong;
	return context.version === 5 ? wrongInProperties(properties, packet) : "";
}

/** Splits at spaces outside quotes; the JSON object at the end is taken off. */
function tokenize(
	text: string,
	context: NotationContext,
): { words: string[]; properties: Fields } {
	const brace = /(?:^|\s)(\{.*\})$/s.exec(text);
	const head = brace ? text.slice(0, brace.index) : text;
	const json = brace?.[1] ?? "{}";
	return {
		words: head.match(/(?:'(?:\\.|[^'\\])*'|[^\s'])+/g) ?? [],
		properties: JSON.parse(context.expand(json)) as Fields,
	};
}

function wrongInPublish(
	words: readonly string[],
	packet: Packet,
	context: NotationContext,
	captures: Captures,
): string {
	const actual = packet as Packet & Fields;
	const [topicWord = "", payloadWord = "*", ...flags] = words;
	const topic = topicWord.startsWith("'")
		? encodeNotation(topicWord, context, captures).toString()
		: context.expand(topicWord);
	if (actual.topic !== topic)
		return `topic ${String(actual.topic)}, not ${topic}`;
	if (payloadWord !== "*") {
		const payload = encodeNotation(payloadWord, context, captures);
		if (!payload.equals(Buffer.from(actual.payload as Buffer)))
			return "another payload";
	}
	const qos = flags.includes("q2") ? 2 : flags.includes("q1") ? 1 : 0;
	if (actual.qos !== qos) return `QoS ${String(actual.qos)}, not ${qos}`;
	for (const flag of ["retain", "dup"])
		if (actual[flag] !== flags.includes(flag))
			return `${flag} is ${String(actual[flag])}`;
	if (qos > 0 && !packet.messageId) return "packet identifier 0";
	const id = flags.find((word) => word.startsWith("?"));
	return id === undefined ? "" : wrongId(id, packet, captures);
}

function wrongInOther(
	words: string[],
	packet: Packet,
	context: NotationContext,
	captures: Captures,
): string {
	const fields = packet as Packet & Fields;
	if (/^(pub|suback|unsuback)/.test(packet.cmd)) {
		const wrong = wrongId(words.shift() ?? "", packet, captures);
		if (wrong !== "") return wrong;
	}
	switch (packet.cmd) {
		case "pingresp":
			return "";
		case "connack": {
			const wanted = words.includes("sp");
			if (fields.sessionPresent !== wanted)
				return `session present is ${String(fields.sessionPresent)}`;
			const code = fields.reasonCode ?? fields.returnCode;
			return wrongCode(words[0] ?? "0", code as number);
		}
		case "suback":
			return wrongCodes(words, fields.granted as number[], context.version);
		case "unsuback":
			return context.version === 5
				? wrongCodes(words, fields.granted as number[], 5)
				: "";
		default:
			return context.version === 5
				? wrongCode(words[0] ?? "0", (fields.reasonCode ?? 0) as number)
				: "";
	}
}

function wrongId(word: string, packet: Packet, captures: Captures): string {
	const actual = Buffer.alloc(2);
	actual.writeUInt16BE(packet.messageId ?? 0);
	const name = word.startsWith("?") ? word.slice(1) : null;
	const wanted =
		name === null
			? Buffer.from(word.padStart(4, "0"), "hex")
			: captures.get(name);
	if (wanted === undefined) captures.set(name ?? "", actual);
	else if (!wanted.equals(actual))
		return `packet identifier ${actual.toString("hex")}, not ${wanted.toString("hex")}`;
	return "";
}

function wrongCode(wanted: string, actual: number): string {
	const allowed = wanted.split("|").map((code) => Number.parseInt(code, 16));
	return allowed.includes(actual)
		? ""
		: `code 0x${actual.toString(16)}, not 0x${wanted}`;
}

function wrongCodes(
	wanted: readonly string[],
	actual: readonly number[],
	version: 3 | 4 | 5,
): string {
	if (wanted.length !== actual.length)
		return `${actual.length} codes, not ${wanted.length}`;
	for (const [index, text] of wanted.entries()) {
		const failed = Number.parseInt(text, 16) >= 0x80 && version !== 5;
		const wrong = wrongCode(failed ? "80" : text, actual[index] ?? -1);
		if (wrong !== "") return `filter ${index + 1}: ${wrong}`;
	}
	return "";
}

function wrongInProperties(wanted: Fields, packet: Packet): string {
	const actual = ((packet as Packet & Fields).properties ?? {}) as Fields;
	for (const [name, value] of Object.entries(wanted)) {
		const found = normalize(actual[name]);
		if (value === null) {
			if (found !== undefined) return `${name} is there: ${show(found)}`;
		} else if (value === "*") {
			if (found === undefined) return `${name} is absent`;
		} else if (isRange(value)) {
			const [low, high] = value.between;
			if (typeof found !== "number" || found < low || found > high)
				return `${name} is ${show(found)}, not ${low} to ${high}`;
		} else if (show(found) !== show(value)) {
			return `${name} is ${show(found)}, not ${show(value)}`;
		}
	}
	return "";
}

function isRange(value: unknown): value is { between: [number, number] } {
	return typeof value === "object" && value !== null && "between" in value;
}

function normalize(value: unknown): unknown {
	if (Buffer.isBuffer(value)) return value.toString();
	if (Array.isArray(value) && value.every((item) => typeof item === "number"))
		return [...value].sort((a, b) => a - b);
	return value;
}

function show(value: unknown): string {
	return value === undefined ? "absent" : JSON.stringify(value);
}
