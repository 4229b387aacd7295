/** A large state, written over the network, kept across a restart and taken again; see bulk.ts. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { dropFromCache, measureStart } from "../support/measure-start.ts";
import type { SpawnedBroker } from "../support/spawn-broker.ts";
import { clientIdOf } from "../support/state-on-disk.ts";
import { LoadConnection, publishFrame } from "./load-connection.ts";

export interface BulkOrder {
	readonly sessions: number;
	readonly retained: number;
	/** For each session. */
	readonly queuedEach: number;
	/** Sessions whose clients come back, all at once. */
	readonly returning: number;
}

/** By what they are, with their units. */
export type BulkFigures = Record<string, number>;

const FILTERS = 10;
const PAYLOAD_BYTES = 256;
const WINDOW = 1000;
/** Clients that connect at the same time. */
const AT_ONCE = 250;
const MB = 1e6;
const TICKS_PER_SECOND = 100;
const payload = Buffer.alloc(PAYLOAD_BYTES, 0x61);

export async function measureBulk(
	broker: SpawnedBroker,
	order: BulkOrder,
): Promise<BulkFigures> {
	const { sessions, retained: topics, queuedEach, returning } = order;
	const messages = sessions * queuedEach;
	await makeSessions(broker.port, sessions);
	process.stderr.write(`${broker.kind}: sessions made\n`);
	const publisher = await Source.open(broker.port);
	const retained = await phase(broker, () =>
		publisher.publish(topics, (at) => frameOf(`r/${numbered(at)}`, true)),
	);
	const queued = await phase(broker, () =>
		publisher.publish(messages, (at) =>
			frameOf(topicOf(1 + (at % sessions)), false),
		),
	);
	await publisher.close();
	const full = memoryOf(broker.pid);
	const stopBegin = performance.now();
	const writtenAtStop = await writtenUntilStop(broker);
	const stopMs = performance.now() - stopBegin;
	const files = readdirSync(broker.dataDir).map((name) =>
		join(broker.dataDir, name),
	);
	dropFromCache(files);
	const start = await measureStart(broker);
	const started = memoryOf(broker.pid);
	const drained = await phase(broker, () => drain(broker.port, order));
	const returned = returning * queuedEach;
	return {
		"retained: CPU us a message": retained.cpuUs / topics,
		"queue: messages a second": messages / queued.seconds,
		"queue: CPU us a message": queued.cpuUs / messages,
		"queue: bytes written a message": queued.written / messages,
		"full: MB in memory": full / MB,
		"full: MB on disk":
			files.reduce((sum, file) => sum + statSync(file).size, 0) / MB,
		"stop: seconds": stopMs / 1000,
		"stop: MB written": writtenAtStop / MB,
		"start: seconds until CONNACK": start.connackMs / 1000,
		"start: MB read": start.readBytes / MB,
		"start: MB in memory": started / MB,
		"drain: messages a second": returned / drained.seconds,
		"drain: CPU us a message": drained.cpuUs / returned,
		"drain: bytes written a message": drained.written / returned,
	};
}

interface Phase {
	readonly seconds: number;
	readonly cpuUs: number;
	readonly written: number;
}

async function phase(
	{ pid }: SpawnedBroker,
	work: () => Promise<unknown>,
): Promise<Phase> {
	const begin = performance.now();
	const cpuUs = cpuMicros(pid);
	const written = writtenBy(pid);
	await work();
	return {
		seconds: (performance.now() - begin) / 1000,
		cpuUs: cpuMicros(pid) - cpuUs,
		written: writtenBy(pid) - written,
	};
}

/** What a process writes last is seen while it can be looked at only. */
async function writtenUntilStop(broker: SpawnedBroker): Promise<number> {
	const { pid } = broker;
	const before = writtenBy(pid);
	let last = before;
	const timer = setInterval(() => {
		try {
			last = writtenBy(pid);
		} catch {
			// It has ended.
		}
	}, 2);
	await broker.stop();
	clearInterval(timer);
	return last - before;
}

async function makeSessions(port: number, sessions: number): Promise<void> {
	let next = 1;
	const worker = async () => {
		while (next <= sessions) {
			const key = next++;
			const client = new LoadConnection(port, noMessage, noProgress);
			await client.open(clientIdOf(key), false);
			const filters = Array.from(
				{ length: FILTERS - 1 },
				(_, at) => `house/${key}/${at}/+`,
			);
			await client.subscribeAll([topicOf(key), ...filters], 1);
			await client.close();
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Publishes with QoS 1, a window at a time. */
class Source {
	readonly #connection: LoadConnection;
	#onProgress: () => void = noProgress;

	private constructor(port: number) {
		this.#connection = new LoadConnection(port, noMessage, () =>
			this.#onProgress(),
		);
	}

	static async open(port: number): Promise<Source> {
		const source = new Source(port);
		await source.#connection.open("source");
		return source;
	}

	publish(
		messages: number,
		frame: (at: number) => ReturnType<typeof publishFrame>,
	): Promise<void> {
		let sent = 0;
		const connection = this.#connection;
		return new Promise((done) => {
			this.#onProgress = () => {
				while (sent < messages && connection.inflight < WINDOW) {
					if (connection.isBlocked) return;
					const { frame: bytes, idOffset } = frame(sent++);
					connection.send(bytes, 1, idOffset);
				}
				if (sent === messages && connection.inflight === 0) done();
			};
			this.#onProgress();
		});
	}

	close(): Promise<void> {
		return this.#connection.close();
	}
}

/** The first sessions come back and take all that waits for them. */
async function drain(
	port: number,
	{ returning, queuedEach }: BulkOrder,
): Promise<void> {
	const clients = Array.from({ length: returning }, (_, index) =>
		takeAll(port, index + 1, queuedEach),
	);
	await Promise.all(clients);
}

async function takeAll(port: number, key: number, each: number): Promise<void> {
	let received = 0;
	let onAll: () => void = noProgress;
	const all = new Promise<void>((done) => {
		onAll = done;
	});
	const client = new LoadConnection(
		port,
		() => {
			if (++received === each) onAll();
		},
		noProgress,
	);
	await client.open(clientIdOf(key), false);
	await all;
	await client.ping();
	await client.close();
}

function frameOf(topic: string, retain: boolean) {
	const made = publishFrame(topic, 1, payload);
	if (retain) made.frame[0] = (made.frame[0] ?? 0) | 1;
	return made;
}

/** What waits for a session. */
function topicOf(key: number): string {
	return `q/${numbered(key)}`;
}

function numbered(at: number): string {
	return String(at).padStart(6, "0");
}

function noMessage(): void {}
function noProgress(): void {}

function cpuMicros(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	const ticks = Number(fields[11]) + Number(fields[12]);
	return (ticks * 1e6) / TICKS_PER_SECOND;
}

function writtenBy(pid: number): number {
	const io = readFileSync(`/proc/${pid}/io`, "latin1");
	return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1]);
}

function memoryOf(pid: number): number {
	const status = readFileSync(`/proc/${pid}/status`, "latin1");
	return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}
