/**
 * A broker for models: its store commits step by step, it can lose power and come back
 * with what was committed.
 */
import type { Duplex } from "node:stream";
import type { Test } from "tap";
import type { Store } from "../../../src/store/store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { startBroker, type TestBroker } from "../../support/start-broker.ts";
import { TestClient } from "../broker/broker-fixture.ts";
import { HandStore, turns } from "./hand-store.ts";

type Overrides = Record<string, string | number | boolean>;

/** A store whose steps the test makes. */
export interface Hand {
	readonly store: Store;
	hold(): void;
	step(): Promise<boolean>;
	restart(): Store;
	release(): Promise<void>;
}

export class PersistentBroker {
	readonly clock = new FakeClock();
	readonly #hand: Hand;
	readonly #overrides: Overrides;
	/** Session Present of the last {@link PersistentBroker.connect}. */
	hadSession = false;
	#running: TestBroker | null = null;
	#starts = 0;

	constructor(
		overrides: Overrides = {},
		makeHand = (clock: FakeClock): Hand => new HandStore(clock),
	) {
		this.#overrides = overrides;
		this.#hand = makeHand(this.clock);
	}

	get broker(): TestBroker["broker"] {
		if (this.#running === null) throw new Error("the broker is not started");
		return this.#running.broker;
	}

	async start(): Promise<void> {
		const noTest = { teardown: () => {} } as unknown as Test;
		this.#running = await startBroker(noTest, this.#overrides, {
			clock: this.clock,
			store: this.#hand.store,
			// Every other one sleeps.
			awayInMemory: this.#starts++ % 2,
		});
		this.#hand.hold();
	}

	/** Power is lost and comes back. Clients have to drop their connections themselves. */
	async crash(): Promise<void> {
		this.#hand.restart();
		this.#running?.broker.wheel.stop();
		await this.start();
	}

	/** An orderly stop and a new start. */
	async restart(): Promise<void> {
		await this.#hand.release();
		await this.#running?.stop();
		this.#hand.restart();
		await this.start();
	}

	async stop(): Promise<void> {
		await this.#hand.release();
		await this.#running?.stop();
	}

	/** Commits or reads `count` times; false when there was nothing to do. */
	async step(count = 1): Promise<boolean> {
		let worked = false;
		for (let i = 0; i < count; i++)
			worked = (await this.#hand.step()) || worked;
		return worked;
	}

	/** A client's end of a new connection. */
	open(): Duplex {
		if (this.#running === null) throw new Error("the broker is not started");
		return this.#running.open();
	}

	/** A connection that has got its CONNACK. */
	async connect(
		clientId: string,
		sessionExpiryInterval: number,
		receiveMaximum = 65_535,
		clean = false,
	): Promise<TestClient> {
		if (this.#running === null) throw new Error("the broker is not started");
		const client = new TestClient(this.#running.open());
		client.startConnect(clientId, {
			clean,
			properties: { sessionExpiryInterval, receiveMaximum },
		});
		for (let i = 0; client.pending.length === 0; i++) {
			if (i > 1000) throw new Error("no CONNACK");
			await this.step();
		}
		const connack = await client.expect("connack");
		if (connack.reasonCode !== 0)
			throw new Error(`refused with ${connack.reasonCode}`);
		this.hadSession = connack.sessionPresent;
		return client;
	}

	/** Ends the session of a client that is connected. */
	async discard(client: TestClient | null, clientId: string): Promise<void> {
		if (client === null) throw new Error(`${clientId} is not connected`);
		client.write({
			cmd: "disconnect",
			reasonCode: 0,
			properties: { sessionExpiryInterval: 0 },
		});
		if (!(await client.closed())) throw new Error("not closed");
		await turns(2);
	}

	/** What is still charged or counted; empty when nothing is. */
	leftovers(): string[] {
		const { budgets, counters, registry, connections } = this.broker;
		const found = budgets.ofClients
			.filter(({ used }) => used !== 0)
			.map(({ name, used }) => `${name}: ${used} bytes`);
		if (counters.queuedMessages !== 0)
			found.push(`${counters.queuedMessages} messages`);
		if (counters.queuedBytes !== 0)
			found.push(`${counters.queuedBytes} queued bytes`);
		if (registry.size !== 0) found.push(`${registry.size} sessions`);
		if (connections.size !== 0) found.push(`${connections.size} connections`);
		return found;
	}
}
