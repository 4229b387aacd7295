/**
 * A run with messages: publishers and subscribers connect, warm up, are measured, and what
 * is on its way at the end is waited for.
 *
 * Without a rate the flow is closed: a publisher sends what window and lag leave room for,
 * after each turn of the event loop that has read something. With a rate it is open: each
 * message has a time at which it is due, and that time is in it however late it leaves, so
 * a stall of the broker counts for all that it holds up (no coordinated omission).
 */
import { setTimeout as pause } from "node:timers/promises";
import type { QoS } from "../../protocol/constants.ts";
import { Arrivals } from "./arrivals.ts";
import type { BenchConnection } from "./bench-connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { Crowd, JoinOptions } from "./crowd.ts";
import { Histogram } from "./histogram.ts";
import { Publisher } from "./publisher.ts";
import { rateOf, type Scenario } from "./scenario.ts";
import { stampMs } from "./stamp.ts";
import { extraFilter, filterOf, topicsOf } from "./topics.ts";

/** What the blocks of all publishers may take, beside a frame for each topic. */
const BLOCKS_BYTES = 64 * 1024 * 1024;
/** In one SUBSCRIBE. */
const FILTERS_AT_A_TIME = 50;
/** In the drain: nothing has come for so long. */
const SILENCE_MS = 1000;
const POLL_MS = 5;

export class Traffic implements ConnectionOwner {
	readonly arrivals: Arrivals;
	readonly sendLate = new Histogram();
	/** What {@link last} waits for, when there is a count: in two halves, one at a time. */
	awaits: "both" | "acknowledgements" | "arrivals" = "both";
	/** Of the whole run. */
	sent = 0;
	acknowledged = 0;
	refused = 0;
	disconnects = 0;
	readonly #scenario: Scenario;
	readonly #crowd: Crowd;
	readonly #signal: AbortSignal;
	readonly #publishers: Publisher[] = [];
	/** Subscribers of each message. */
	readonly #copies: number;
	readonly #rate: number;
	/** Nobody subscribes: latency is that of acknowledgements. */
	readonly #timesAcks: boolean;
	readonly #sleep: Int32Array<SharedArrayBuffer> | null;
	#isSending = false;
	#isTurnDue = false;
	#isMeasuring = false;
	/** At a rate: when the first message was due, as stampMs(). */
	#beganMs = 0;
	/** At a rate: messages that were due. */
	#due = 0;
	/** At a rate: publishers that owe messages. */
	readonly #behind = new Set<Publisher>();
	#first = 0;
	#finish: () => void = () => {};

	constructor(scenario: Scenario, crowd: Crowd, signal: AbortSignal) {
		this.#scenario = scenario;
		this.#crowd = crowd;
		this.#signal = signal;
		const { shape, subscribers, nap } = scenario;
		this.arrivals = new Arrivals(scenario, crowd.reading.view);
		this.#copies = shape === "pair" || shape === "offline" ? 1 : subscribers;
		this.#rate = rateOf(scenario);
		this.#timesAcks = shape === "pub";
		this.#sleep = nap > 0 ? new Int32Array(new SharedArrayBuffer(4)) : null;
	}

	/** Copies that should arrive; null when others publish. */
	get expected(): number | null {
		return this.#scenario.shape === "sub" ? null : this.sent * this.#copies;
	}

	/** @throws ConnectionFailure */
	async addSubscribers(options: JoinOptions = {}): Promise<BenchConnection[]> {
		const scenario = this.#scenario;
		const joined = await this.#crowd.join(scenario.subscribers, "s", this, {
			...options,
			prepare: (one) =>
				one.subscribe([filterOf(scenario, one.index)], scenario.qos as QoS),
		});
		await this.#subscribeExtra(joined);
		return joined;
	}

	/** @throws ConnectionFailure */
	async addPublishers(): Promise<BenchConnection[]> {
		const scenario = this.#scenario;
		const { publishers, count } = scenario;
		const connections = await this.#crowd.join(publishers, "p", this, {
			isPersistent: false,
		});
		const share = Math.floor(BLOCKS_BYTES / Math.max(1, publishers));
		const options = {
			qos: scenario.qos as QoS,
			retain: scenario.retain,
			family: this.#crowd.family,
			payloadBytes: scenario.payload,
			window: scenario.window,
			burst: scenario.burst,
			burstBytes: Math.min(scenario.burst_bytes, share),
			timesAcks: this.#timesAcks,
		};
		for (const connection of connections) {
			const topics = topicsOf(scenario, connection.index);
			const publisher = new Publisher(connection, topics, options);
			if (count > 0) publisher.most = count;
			this.#publishers.push(publisher);
		}
		return connections;
	}

	start(): void {
		this.#isSending = true;
		this.#beganMs = stampMs();
		this.#turn();
	}

	/** Latencies count from now on. */
	measure(): void {
		this.arrivals.latency.reset();
		this.sendLate.reset();
		this.#isMeasuring = this.arrivals.isMeasuring = true;
	}

	/** Resolves after `ms`, or when all that was ordered has arrived, or when nobody is left to send. */
	async last(ms: number): Promise<void> {
		const finished = new Promise<void>((done) => {
			this.#finish = done;
		});
		const cut = new AbortController();
		const signal = AbortSignal.any([this.#signal, cut.signal]);
		this.#checkEnd();
		const late = pause(ms, undefined, { signal }).catch(() => {});
		await Promise.race([finished, late]);
		cut.abort();
	}

	/** Nothing is sent any more. */
	stop(): void {
		this.#isSending = false;
		this.#isMeasuring = this.arrivals.isMeasuring = false;
	}

	/** Waits for what is on its way; not long when the run was ended early. */
	async drain(): Promise<void> {
		this.stop();
		const { drain } = this.#scenario;
		const most = this.#signal.aborted ? Math.min(drain, SILENCE_MS) : drain;
		const deadline = performance.now() + most;
		let lastCount = -1;
		let lastChangeMs = performance.now();
		while (!this.#hasAllArrived()) {
			const now = performance.now();
			const count = this.arrivals.count + this.acknowledged;
			if (count !== lastCount) lastChangeMs = now;
			lastCount = count;
			if (now > deadline || now - lastChangeMs > SILENCE_MS) break;
			await pause(POLL_MS);
		}
	}

	reads(): void {
		this.arrivals.nowMs = stampMs();
	}

	arrived(
		connection: BenchConnection,
		buffer: Buffer,
		payloadAt: number,
		end: number,
		isShared: boolean,
	): void {
		const { index } = connection;
		this.arrivals.add(index, buffer, payloadAt, end, isShared);
	}

	settled(
		connection: BenchConnection,
		packetId: number,
		isRefused: boolean,
	): void {
		if (isRefused) this.refused++;
		else this.acknowledged++;
		if (!this.#timesAcks || !this.#isMeasuring) return;
		const { ackTimes } = this.#publishers[connection.index] as Publisher;
		const dueMs = ackTimes?.dueMs(packetId) ?? 0;
		const { latency, nowMs } = this.arrivals;
		if (dueMs > 0) latency.add((nowMs - dueMs) * 1000);
	}

	hasRoom(): void {
		if (this.awaits === "arrivals") this.#checkEnd();
		if (!this.#isSending || this.#isTurnDue) return;
		this.#isTurnDue = true;
		setImmediate(() => this.#turn());
	}

	lost(): void {
		this.disconnects++;
		this.#checkEnd();
	}

	/** One round of sending. */
	#turn(): void {
		this.#isTurnDue = false;
		if (!this.#isSending) return;
		const goesOn = this.#rate > 0 ? this.#paced() : this.#flood();
		if (this.#scenario.count > 0) this.#checkEnd();
		if (this.#sleep !== null)
			Atomics.wait(this.#sleep, 0, 0, this.#scenario.nap / 1000);
		if (goesOn) this.hasRoom();
	}

	/** @returns true when there is room for more at once */
	#flood(): boolean {
		const publishers = this.#publishers;
		const { lag } = this.#scenario;
		const now = stampMs();
		let goesOn = false;
		// Whoever was first goes to the end, or the others would get what it leaves of a lag.
		if (++this.#first >= publishers.length) this.#first = 0;
		for (let at = 0; at < publishers.length; at++) {
			const index = (at + this.#first) % publishers.length;
			const publisher = publishers[index] as Publisher;
			let room = publisher.room();
			if (lag > 0 && room > 0) {
				const { index: place } = publisher.connection;
				const got = this.arrivals.from(place) / this.#copies;
				room = Math.min(room, Math.floor(lag - publisher.sent + got));
			}
			if (room <= 0) continue;
			const count = publisher.send(room, now);
			this.sent += count;
			if (count < room && !publisher.connection.isBlocked) goesOn = true;
		}
		return goesOn;
	}

	/** Sends what is due. @returns true to come again at once */
	#paced(): boolean {
		const publishers = this.#publishers;
		const now = stampMs();
		const due = Math.floor(((now - this.#beganMs) * this.#rate) / 1000);
		for (const publisher of this.#behind) this.#catchUp(publisher, now);
		// Each only once, however long this turn was in coming.
		const from = Math.max(this.#due, due - publishers.length);
		for (let number = from; number < due; number++)
			this.#catchUp(publishers[number % publishers.length] as Publisher, now);
		this.#due = due;
		if (!this.#scenario.no_spin) return true;
		if (this.#signal.aborted) return false;
		setTimeout(() => this.hasRoom(), 1);
		return false;
	}

	#catchUp(publisher: Publisher, nowMs: number): void {
		const count = this.#publishers.length;
		const place = publisher.connection.index;
		for (;;) {
			// Its messages are every `count`th of all.
			const number = publisher.sent * count + place + 1;
			const dueMs = this.#beganMs + (number * 1000) / this.#rate;
			if (dueMs > nowMs || publisher.sent >= publisher.most) break;
			if (publisher.room() <= 0) {
				if (publisher.connection.isOpen) this.#behind.add(publisher);
				else this.#behind.delete(publisher);
				return;
			}
			publisher.send(1, dueMs);
			this.sent++;
			if (this.#isMeasuring) this.sendLate.add((nowMs - dueMs) * 1000);
		}
		this.#behind.delete(publisher);
	}

	#hasAllArrived(): boolean {
		const { qos } = this.#scenario;
		const { expected, awaits } = this;
		const got = this.arrivals.count - this.arrivals.order.duplicates;
		const isPast = awaits !== "acknowledgements";
		if (isPast && expected !== null && got < expected) return false;
		if (awaits === "arrivals") return true;
		return qos === 0 || this.acknowledged + this.refused >= this.sent;
	}

	/** With a count, all of it has arrived; or all publishers are gone. */
	#checkEnd(): void {
		const { count, publishers } = this.#scenario;
		const isDone =
			count > 0 &&
			publishers > 0 &&
			this.sent >= count * publishers &&
			this.#hasAllArrived();
		const left = this.#crowd.connections.some(({ isOpen }) => isOpen);
		if (isDone || !left) this.#finish();
	}

	async #subscribeExtra(
		connections: readonly BenchConnection[],
	): Promise<void> {
		const { extra_filters } = this.#scenario;
		for (let at = 0; at < extra_filters; ) {
			const round: Promise<void>[] = [];
			for (const connection of connections) {
				const size = Math.min(FILTERS_AT_A_TIME, extra_filters - at);
				if (size <= 0) break;
				const filters = Array.from({ length: size }, (_, one) =>
					extraFilter(at + one),
				);
				at += size;
				round.push(connection.subscribe(filters, 0));
			}
			await Promise.all(round);
		}
	}
}
