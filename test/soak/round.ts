/**
 * One round of the soak: clients arrive, act and leave at random for a while,
 * then everything in flight is completed, checked and removed again.
 * All state lives in this process; the broker is another one.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Actor, type Cast, createCast, retainedCount } from "./actors.ts";
import { SentLedger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { type Version, WireClient } from "./wire-client.ts";

const tickMs = 20;
const drainTimeoutMs = 120_000;

export interface RoundOptions {
	port: number;
	random: Random;
	clients: number;
	/** Messages a second, all publishers together. */
	rate: number;
	durationMs: number;
	/** Called about once a tick with the time since the start, in milliseconds. */
	onTick(elapsedMs: number, counts: RoundCounts): void;
}

export interface RoundCounts {
	sent: number;
	received: number;
	arrivals: number;
	departures: number;
	connected: number;
	violations: number;
}

export interface RoundResult {
	counts: RoundCounts;
	violations: string[];
}

export async function runRound(options: RoundOptions): Promise<RoundResult> {
	const { port, random } = options;
	const violations: string[] = [];
	const sent = new SentLedger();
	const cast = createCast({ port, random, sent, violations }, options.clients);
	const round = new Round(options, cast, sent, violations);
	// Who is to miss nothing has to be there before the first message.
	for (const actor of [...cast.holders, ...cast.publishers]) {
		await actor.arrive();
	}
	await round.live();
	await round.drain();
	for (const ledger of cast.ledgers) {
		violations.push(...ledger.violations);
		violations.push(
			...ledger.missing(sent).map((what) => `${ledger.name}: lost ${what}`),
		);
	}
	const counts = round.counts();
	await removeTraces(port, [
		...cast.publishers,
		...cast.holders,
		...cast.churners,
	]);
	return { counts, violations };
}

class Round {
	readonly #options: RoundOptions;
	readonly #cast: Cast;
	readonly #sent: SentLedger;
	readonly #violations: string[];
	readonly #everyone: Actor[];
	#arrivals = 0;
	#departures = 0;

	constructor(
		options: RoundOptions,
		cast: Cast,
		sent: SentLedger,
		violations: string[],
	) {
		this.#options = options;
		this.#cast = cast;
		this.#sent = sent;
		this.#violations = violations;
		this.#everyone = [...cast.publishers, ...cast.holders, ...cast.churners];
	}

	counts(): RoundCounts {
		return {
			sent: this.#sent.total,
			received: this.#cast.ledgers.reduce((sum, one) => sum + one.received, 0),
			arrivals: this.#arrivals,
			departures: this.#departures,
			connected: this.#everyone.filter((one) => one.client.connected).length,
			violations: this.#violations.length,
		};
	}

	/** Random life until the time is over. */
	async live(): Promise<void> {
		const { random, rate, durationMs, onTick } = this.#options;
		const { publishers, churners, holders } = this.#cast;
		const startedAt = performance.now();
		let due = 0;
		let elapsedMs = 0;
		while (elapsedMs < durationMs) {
			await pause(tickMs);
			const now = performance.now() - startedAt;
			due += (rate * Math.min(now - elapsedMs, 200)) / 1000;
			elapsedMs = now;
			for (; due >= 1; due--) {
				actIfConnected(random.pick(publishers));
				if (random.chance(0.1)) actIfConnected(random.pick(churners));
				if (random.chance(0.01)) actIfConnected(random.pick(holders));
			}
			for (const actor of this.#everyone) this.#comeOrGo(actor);
			onTick(elapsedMs, this.counts());
		}
	}

	/** Away for a second on average, there for fifteen. */
	#comeOrGo(actor: Actor): void {
		if (actor.busy) return;
		const { random } = this.#options;
		if (actor.client.connected) {
			if (!random.chance(tickMs / 15_000)) return;
			this.#departures++;
			this.#attempt(actor, actor.leave());
		} else if (random.chance(tickMs / 1000)) {
			this.#arrivals++;
			this.#attempt(actor, actor.arrive());
		}
	}

	#attempt(actor: Actor, attempt: Promise<void>): void {
		actor.busy = true;
		attempt
			.catch((error: Error) => this.#violations.push(error.message))
			.finally(() => {
				actor.busy = false;
			});
	}

	/** Completes every handshake and waits for every message that is owed. */
	async drain(): Promise<void> {
		const { publishers, holders, churners, ledgers } = this.#cast;
		await this.#until("the last departures", () =>
			this.#everyone.every((actor) => !actor.busy),
		);
		await Promise.all(churners.map((one) => one.client.disconnect()));
		for (const actor of [...publishers, ...holders]) {
			if (!actor.client.connected) await actor.arrive();
		}
		await this.#until("the acknowledgements of all publishers", () =>
			publishers.every((one) => one.client.unacknowledged === 0),
		);
		await this.#until("the messages owed to all holders", () =>
			ledgers.every((one) => one.missing(this.#sent).length === 0),
		);
	}

	async #until(what: string, test: () => boolean): Promise<void> {
		const deadline = performance.now() + drainTimeoutMs;
		while (!test()) {
			if (performance.now() > deadline) {
				this.#violations.push(`waited in vain for ${what}`);
				return;
			}
			await pause(100);
		}
	}
}

function actIfConnected(actor: Actor): void {
	if (actor.client.connected && !actor.busy) actor.act();
}

/** Ends every session and clears every retained message, so that nothing may be left in the broker. */
async function removeTraces(port: number, actors: Actor[]): Promise<void> {
	for (const { client } of actors) {
		if (client.connected) await client.disconnect();
		await client.connect({ clean: true });
		await client.disconnect();
	}
	const cleaner = new WireClient({
		port,
		clientId: "cleaner",
		version: 5 satisfies Version,
		onMessage: () => {
			// Subscribes to nothing.
		},
		onViolation: () => {
			// The report of the broker shows what is left.
		},
	});
	await cleaner.connect({ clean: true });
	const topics = Array.from(
		{ length: retainedCount },
		(_, index) => `churn/retained/${index}`,
	);
	for (const { client } of actors) topics.push(`churn/${client.clientId}/will`);
	for (const topic of topics) {
		while (!cleaner.hasWindow) await pause(1);
		cleaner.publish(topic, "", 1, true);
	}
	while (cleaner.unacknowledged > 0) await pause(1);
	await cleaner.disconnect();
}
