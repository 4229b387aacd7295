/** The figures of a run for a terminal. Pure. */
import { inBytes, plural } from "../../platform/words.ts";
import type { Percentiles } from "./histogram.ts";
import type { BenchResult } from "./result.ts";
import { micros, percent, perSecond } from "./words.ts";

export function asText(result: BenchResult): string {
	const rows = [
		...(result.shape === "connect" ? [] : messageRows(result)),
		connectionRow(result),
		brokerRow(result),
		generatorRow(result),
	];
	return [
		`${heading(result)}\n`,
		...rows.map(([name, words]) => `  ${name.padEnd(12)}${words}\n`),
		...result.warnings.map((words) => `  warning     ${words}\n`),
		...result.limits.map(
			({ words, passed }) =>
				`  ${passed ? "passed" : "FAILED"}      ${words}\n`,
		),
	].join("");
}

type Row = readonly [name: string, words: string];

function heading(result: BenchResult): string {
	const { name, shape, publishers, subscribers, qos, payloadBytes } = result;
	const title = name === shape ? shape : `${name} (${shape})`;
	const seconds = `${result.seconds.toFixed(1)} s`;
	const early =
		result.endedEarly === ""
			? ""
			: result.endedEarly === "interrupted"
				? ", interrupted"
				: ", ended early: no connection was left";
	if (shape === "connect")
		return `${title}: ${plural(result.connected, "connection")} in ${result.connectSeconds.toFixed(2)} s, MQTT ${result.mqtt}${early}`;
	const who = [
		...(publishers > 0 ? [plural(publishers, "publisher")] : []),
		...(subscribers > 0 ? [plural(subscribers, "subscriber")] : []),
	].join(", ");
	return `${title}: ${who}, QoS ${qos}, ${inBytes(payloadBytes)}, MQTT ${result.mqtt}, ${seconds}${early}`;
}

function messageRows(result: BenchResult): Row[] {
	const rows: Row[] = [];
	if (result.publishers > 0) {
		const refused =
			result.refused > 0 ? `, ${plural(result.refused, "refusal")}` : "";
		const acknowledged =
			result.qos === 0
				? ""
				: `, ${result.acknowledged === result.sent ? "all" : result.acknowledged.toLocaleString("en-GB")} acknowledged`;
		rows.push([
			"published",
			`${perSecond(result.publishRate)}; ${plural(result.sent, "message")} in all${acknowledged}${refused}`,
		]);
	}
	if (result.storing !== null) {
		const { brokerCpuMicrosPerMessage: cost, rssBytes } = result.storing;
		const words =
			cost === null ? "" : `, ${cost.toFixed(2)} us of the broker each`;
		const memory = rssBytes === null ? "" : `; RSS then ${inBytes(rssBytes)}`;
		rows.push([
			"stored in",
			`${result.storing.seconds.toFixed(2)} s${words}${memory}`,
		]);
	}
	if (result.subscribers > 0) {
		const foreign = result.foreign > 0 ? `, ${result.foreign} of others` : "";
		rows.push([
			"delivered",
			`${perSecond(result.deliverRate)}; ${result.received.toLocaleString("en-GB")} in all: ${number(result.lost)} lost, ${number(result.duplicates)} twice, ${number(result.reordered)} out of order${foreign}`,
		]);
	}
	if (result.latencyMicros !== null)
		rows.push([
			result.subscribers > 0 ? "latency" : "answered in",
			percentiles(result.latencyMicros),
		]);
	if (result.sendLateMicros !== null)
		rows.push(["sent late", percentiles(result.sendLateMicros)]);
	return rows;
}

function connectionRow(result: BenchResult): Row {
	const { connected, connectRate, connectMicros, disconnects, refused } =
		result;
	const lost = disconnects > 0 ? `${disconnects} lost` : "none lost";
	const denied =
		result.shape === "connect" && refused > 0 ? `, ${refused} refused` : "";
	return [
		"connections",
		`${connected.toLocaleString("en-GB")} at ${perSecond(connectRate)}, ${lost}${denied}; CONNACK ${percentiles(connectMicros)}`,
	];
}

function brokerRow({ broker, shape, subscribers }: BenchResult): Row {
	if (broker === null)
		return ["broker", "its process is not to be seen from here"];
	const unit =
		shape === "connect"
			? "a connection"
			: subscribers > 0
				? "a delivered message"
				: "a message";
	const cost =
		broker.cpuMicrosPerMessage === null
			? ""
			: `, ${broker.cpuMicrosPerMessage.toFixed(2)} us ${unit}`;
	return [
		"broker",
		`pid ${broker.pid}: ${percent(broker.cpuShare)} of a core${cost}; RSS ${inBytes(broker.rssStartBytes)} before, ${inBytes(broker.rssBytes)} after`,
	];
}

function generatorRow({ generator }: BenchResult): Row {
	const { cpuShare, cpuMicrosPerMessage } = generator;
	const cost =
		cpuMicrosPerMessage === null
			? ""
			: `, ${cpuMicrosPerMessage.toFixed(2)} us each`;
	return ["generator", `${percent(cpuShare)} of a core${cost}`];
}

function percentiles({ p50, p95, p99, p999, max }: Percentiles): string {
	return `p50 ${micros(p50)}, p95 ${micros(p95)}, p99 ${micros(p99)}, p99.9 ${micros(p999)}, most ${micros(max)}`;
}

function number(count: number): string {
	return count === 0 ? "none" : count.toLocaleString("en-GB");
}
