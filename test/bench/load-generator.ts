/**
 * The load generator of the end-to-end benchmark, a process of its own: takes a
 * LoadOrder as JSON argument, runs it, prints a LoadResult as JSON and ends.
 * Flow is closed: publishers stop when too much is not yet delivered, so that
 * both brokers are compared at capacity and none is judged by what it drops.
 */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { LoadConnection, publishFrame } from "./load-connection.ts";
import type { LoadOrder, LoadResult, Scenario } from "./load-scenarios.ts";

const windowPerPublisher = 50;
const usualBurst = 64;
/** Ticks of /proc/PID/stat a second on every Linux that matters. */
const ticksPerSecond = 100;
const drainTimeoutMs = 5000;

interface Publisher {
	connection: LoadConnection;
	frame: Buffer;
	idOffset: number;
	payloadOffset: number;
}

class LoadGenerator {
	readonly #order: LoadOrder;
	readonly #scenario: Scenario;
	readonly #copies: number;
	readonly #publishers: Publisher[] = [];
	readonly #connections: LoadConnection[] = [];
	readonly #latencies: number[] = [];
	#sent = 0;
	#received = 0;
	#sending = false;
	#measuring = false;
	#pumpDue = false;

	constructor(order: LoadOrder) {
		this.#order = order;
		this.#scenario = order.scenario;
		this.#copies =
			order.scenario.shape === "fanout" ? order.scenario.subscribers : 1;
	}

	async run(): Promise<LoadResult> {
		await this.#connect();
		this.#sending = true;
		if (this.#scenario.rate === undefined) this.#pump();
		else this.#paced(this.#scenario.rate, performance.now());
		await pause(this.#order.warmUpMs);
		const before = this.#snapshot();
		this.#measuring = true;
		await pause(this.#order.durationMs);
		this.#measuring = false;
		const after = this.#snapshot();
		this.#sending = false;
		await this.#drain();
		const lost = this.#sent * this.#copies - this.#received;
		await Promise.all(this.#connections.map((one) => one.close()));
		return this.#result(before, after, lost);
	}

	async #connect(): Promise<void> {
		const { shape, subscribers, publishers, qos } = this.#scenario;
		const open = async (name: string) => {
			const connection = new LoadConnection(
				this.#order.port,
				topicOf(0).length,
				(bytes, payloadAt) => this.#delivered(bytes, payloadAt),
				() => this.#progress(),
			);
			this.#connections.push(connection);
			await connection.open(name);
			return connection;
		};
		for (let index = 0; index < subscribers; index++) {
			const connection = await open(`subscriber-${index}`);
			const own = topicOf(shape === "pair" ? index : 0);
			await connection.subscribe(shape === "fanin" ? "bench/+" : own, qos);
		}
		const payload = Buffer.alloc(this.#order.payloadBytes, 0x61);
		for (let index = 0; index < publishers; index++) {
			const connection = await open(`publisher-${index}`);
			const topic = topicOf(shape === "fanout" ? 0 : index);
			this.#publishers.push({
				connection,
				...publishFrame(topic, qos, payload),
			});
		}
	}

	#delivered(bytes: Buffer, payloadAt: number): void {
		this.#received++;
		if (this.#measuring && this.#scenario.rate !== undefined) {
			const dueAtMs = bytes.readDoubleBE(payloadAt);
			this.#latencies.push((performance.now() - dueAtMs) * 1000);
		}
	}

	/** Several reads of one turn of the event loop lead to one round of sending. */
	#progress(): void {
		if (this.#pumpDue || this.#scenario.rate !== undefined) return;
		this.#pumpDue = true;
		setImmediate(() => {
			this.#pumpDue = false;
			this.#pump();
		});
	}

	#pump(): void {
		if (!this.#sending) return;
		const { lag, publishers, qos, burst = usualBurst } = this.#scenario;
		for (const { connection, frame, idOffset } of this.#publishers) {
			const undelivered = this.#sent - this.#received / this.#copies;
			const window =
				qos === 0 ? burst : windowPerPublisher - connection.inflight;
			const room = Math.floor(lag * publishers - undelivered);
			const count = Math.min(burst, window, room);
			if (count <= 0 || connection.socket.writableNeedDrain) continue;
			connection.send(frame, count, idOffset);
			this.#sent += count;
		}
	}

	/** Sends at a fixed rate; a late turn sends what was due, stamped with when it was due. */
	#paced(rate: number, startedAtMs: number): void {
		if (!this.#sending) return;
		const now = performance.now();
		for (;;) {
			const dueAtMs = startedAtMs + (this.#sent * 1000) / rate;
			if (dueAtMs > now) break;
			const publisher = this.#publishers[this.#sent % this.#publishers.length];
			if (publisher === undefined) break;
			const { connection, frame, idOffset, payloadOffset } = publisher;
			frame.writeDoubleBE(dueAtMs, payloadOffset);
			connection.send(frame, 1, idOffset);
			this.#sent++;
		}
		// Spinning keeps the times exact; the generator has its own core.
		setImmediate(() => this.#paced(rate, startedAtMs));
	}

	async #drain(): Promise<void> {
		const deadline = performance.now() + drainTimeoutMs;
		while (
			this.#received < this.#sent * this.#copies &&
			performance.now() < deadline
		) {
			await pause(5);
		}
	}

	#snapshot() {
		const own = process.cpuUsage();
		return {
			atMs: performance.now(),
			received: this.#received,
			brokerCpuMs: brokerCpuMs(this.#order.pid),
			ownCpuMs: (own.user + own.system) / 1000,
		};
	}

	#result(before: Snapshot, after: Snapshot, lost: number): LoadResult {
		const ms = after.atMs - before.atMs;
		const delivered = after.received - before.received;
		const brokerMs = after.brokerCpuMs - before.brokerCpuMs;
		const result: LoadResult = {
			deliveryRate: (delivered * 1000) / ms,
			cpuMicrosPerMessage: (brokerMs * 1000) / delivered,
			brokerCpuMs: brokerMs,
			brokerCpuShare: brokerMs / ms,
			generatorCpuShare: (after.ownCpuMs - before.ownCpuMs) / ms,
			lost,
		};
		if (this.#latencies.length > 0) {
			const sorted = Float64Array.from(this.#latencies).sort();
			const at = (part: number) =>
				sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ??
				0;
			result.latencyMicros = { p50: at(0.5), p99: at(0.99), max: at(1) };
		}
		return result;
	}
}

type Snapshot = {
	atMs: number;
	received: number;
	brokerCpuMs: number;
	ownCpuMs: number;
};

/** All topics have the same length, which keeps the parser simple. */
function topicOf(index: number): string {
	return `bench/${String(index).padStart(4, "0")}`;
}

/** User and system time of all threads of a process. */
function brokerCpuMs(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	// The name in parentheses may hold spaces: the fields are counted after it.
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	const ticks = Number(fields[11]) + Number(fields[12]);
	return (ticks * 1000) / ticksPerSecond;
}

const order = JSON.parse(process.argv[2] ?? "{}") as LoadOrder;
console.log(JSON.stringify(await new LoadGenerator(order).run()));
process.exit(0);
