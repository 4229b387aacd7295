/** The two kinds of work of `npm run bench:wear`, and what each of them cost. */
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Exchange } from "../support/exchange.ts";
import { publishBytes, RawClient } from "../support/raw-client.ts";
import type { SpawnedBroker } from "../support/spawn-broker.ts";
import { quantile, until } from "../system/waiting.ts";

const DAY_S = 86_400;
/** mosquitto's default: so often it writes all it has. */
const AUTOSAVE_S = 1800;

export interface Cost {
	readonly bytesPerMessage: number;
	readonly bytesPerDay: number;
	/** From PUBLISH to PUBACK; for the house, to the subscriber. */
	readonly medianMs: number;
	readonly p99Ms: number;
	/** Commits a second; null for mosquitto. */
	readonly commitsPerSecond: number | null;
}

export interface Subject {
	readonly broker: SpawnedBroker;
	/** Where our broker writes what it has counted. */
	readonly reportFile: string;
	/** mosquitto writes its file whenever something has changed. */
	readonly savesOnChange: boolean;
}

interface Work {
	readonly messages: number;
	readonly elapsedMs: number;
	readonly latenciesMs: readonly number[];
}

/** Ten persistent clients, 100 QoS 1 messages a second, acknowledged `lateMs` late. */
export async function exchangeCost(
	subject: Subject,
	seconds: number,
	lateMs: number,
): Promise<Cost> {
	const { broker } = subject;
	const exchange = new Exchange({
		port: broker.port,
		name: `late-${lateMs}`,
		clients: 10,
		messagesPerSecond: 100,
		seconds,
		lateMs,
		payloadBytes: 100,
	});
	await exchange.connect();
	await untilQuiet(broker);
	const cost = await measure(subject, () => exchange.run());
	await exchange.end();
	return cost;
}

/** Sixty devices whose retained values (QoS 0) change, five a second in all, and one that watches. */
export async function houseCost(
	subject: Subject,
	seconds: number,
): Promise<Cost> {
	const { broker } = subject;
	const { port } = broker;
	const latenciesMs: number[] = [];
	const controller = new RawClient({
		port,
		onMessage: ({ payload }) => {
			const { sent } = JSON.parse(payload.toString());
			latenciesMs.push(performance.now() - sent);
		},
	});
	await controller.connect({ clientId: "controller" });
	await controller.subscribe("house/#", 0);
	const devices: RawClient[] = [];
	for (let i = 0; i < 60; i++) {
		const device = new RawClient({ port });
		await device.connect({ clientId: `device-${i}` });
		devices.push(device);
	}
	const publish = async (messages: number): Promise<Work> => {
		const startMs = performance.now();
		latenciesMs.length = 0;
		for (let i = 0; i < messages; i++) {
			const leftMs = startMs + i * 200 - performance.now();
			if (leftMs > 0) await pause(leftMs);
			const number = i % devices.length;
			const sent = performance.now();
			const payload = `{"value":${20 + Math.random()},"unit":"C","sent":${sent}}`;
			const topic = `house/room-${number % 9}/device-${number}/state`;
			devices[number]?.send(publishBytes({ topic, payload, retain: true }));
		}
		await controller.until(() => latenciesMs.length >= messages, "the last");
		return { messages, elapsedMs: performance.now() - startMs, latenciesMs };
	};
	await publish(devices.length); // each topic exists, as on any other day
	await untilQuiet(broker);
	const cost = await measure(subject, () => publish(5 * seconds));
	for (const client of [controller, ...devices]) client.destroy();
	return cost;
}

async function measure(
	subject: Subject,
	work: () => Promise<Work>,
): Promise<Cost> {
	const { broker, savesOnChange } = subject;
	// The report is written by the process too: it stays outside.
	const commitsBefore = await commitsOf(subject);
	const before = writtenBytes(broker.pid);
	const { messages, elapsedMs, latenciesMs } = await work();
	let bytes = writtenBytes(broker.pid) - before;
	const commits = ((await commitsOf(subject)) ?? 0) - (commitsBefore ?? 0);
	let bytesPerDay = (bytes / elapsedMs) * 1000 * DAY_S;
	if (broker.kind === "mosquitto" && !savesOnChange) {
		bytes += await saveNow(broker);
		bytesPerDay = (bytes * DAY_S) / AUTOSAVE_S;
		bytes /= (AUTOSAVE_S * 1000) / elapsedMs;
	}
	return {
		bytesPerMessage: bytes / messages,
		bytesPerDay,
		medianMs: quantile(latenciesMs, 0.5),
		p99Ms: quantile(latenciesMs, 0.99),
		commitsPerSecond:
			commitsBefore === null ? null : (commits / elapsedMs) * 1000,
	};
}

/** What the process has had written to the disk; the file system's journal comes on top. */
function writtenBytes(pid: number): number {
	const text = readFileSync(`/proc/${pid}/io`, "utf8");
	return Number(/^write_bytes: (\d+)$/m.exec(text)?.[1]);
}

/** Until setting up has reached the disk, and the ballast is there (10 s after the start). */
async function untilQuiet(broker: SpawnedBroker): Promise<void> {
	const ballast = join(broker.dataDir, "ballast");
	if (broker.kind === "broker")
		await until(() => existsSync(ballast), "the ballast", 30_000);
	let bytes = -1;
	while (bytes !== writtenBytes(broker.pid)) {
		bytes = writtenBytes(broker.pid);
		await pause(6000); // longer than store.lazy_interval
	}
}

async function commitsOf(subject: Subject): Promise<number | null> {
	const { broker, reportFile: file } = subject;
	if (broker.kind === "mosquitto") return null;
	rmSync(file, { force: true });
	process.kill(broker.pid, "SIGUSR2");
	await until(
		() => existsSync(file) && readFileSync(file, "utf8").endsWith("}"),
		"the report",
	);
	return JSON.parse(readFileSync(file, "utf8")).store.commits;
}

/** Makes mosquitto write its file as it does every half hour. @returns the bytes that took */
async function saveNow(broker: SpawnedBroker): Promise<number> {
	const file = join(broker.dataDir, "mosquitto.db");
	const before = writtenBytes(broker.pid);
	const changedMs = () => statSync(file, { throwIfNoEntry: false })?.mtimeMs;
	const earlierMs = changedMs();
	process.kill(broker.pid, "SIGUSR1");
	await until(() => changedMs() !== earlierMs, "mosquitto's file");
	await pause(500);
	return writtenBytes(broker.pid) - before;
}
