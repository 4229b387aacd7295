/**
 * Wall clocks that are wrong, while the broker runs and between two runs: what expires does
 * so after its time, neither by the jump nor never.
 */
import t, { type Test } from "tap";
import { LastingClock } from "../../../src/platform/lasting-clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { LateStore } from "../../support/late-store.ts";
import {
	type Rig,
	startRig,
	type TestClient,
	turns,
} from "./broker-fixture.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;
const HOUR_S = 3600;

/** One broker after the other on one store, on a machine whose clock is not to be trusted. */
class Machine {
	readonly clock: FakeClock;
	rig!: Rig;
	readonly #t: Test;
	#store: LateStore;
	#lasting: LastingClock;

	constructor(t: Test, wallMs: number) {
		this.#t = t;
		this.clock = new FakeClock(wallMs);
		this.#lasting = new LastingClock(this.clock);
		this.#store = new LateStore({ maxDelayMs: 0, clock: this.#lasting });
	}

	async start(): Promise<void> {
		const { clock } = this;
		this.rig = await startRig(
			this.#t,
			{},
			{
				clock,
				lasting: this.#lasting,
				store: this.#store,
			},
		);
	}

	/**
	 * @param offMs how long it is off
	 * @param errorMs how far its clock is set while it is off
	 */
	async restart(
		offMs: number,
		errorMs: number,
		isKilled: boolean,
	): Promise<void> {
		await turns(20);
		if (!isKilled) await this.rig.stop();
		this.#store = this.#store.restart();
		this.clock.jumpWall(offMs + errorMs);
		this.#lasting = new LastingClock(this.clock);
		this.#store.useClock(this.#lasting);
		await this.start();
	}

	async runFor(ms: number): Promise<void> {
		for (let left = ms; left > 0; left -= MINUTE_MS) {
			this.clock.advance(Math.min(left, MINUTE_MS));
			await turns(2);
		}
	}
}

async function retained(rig: Rig, topic: string): Promise<boolean> {
	const client = await rig.join("reader");
	await client.subscribe(topic, 0);
	await turns(20);
	const notes = await client.take();
	client.destroy();
	return notes.length > 0;
}

async function got(client: TestClient): Promise<string[]> {
	await turns(20);
	return await client.take();
}

/** Sessions for two hours, messages and a will's delay for one. */
async function leave({ rig }: Machine): Promise<void> {
	for (const id of ["keeper", "willing"]) {
		const client = await rig.join(id, {
			clean: false,
			properties: { sessionExpiryInterval: 2 * HOUR_S },
			...(id === "willing" && {
				will: {
					topic: "will",
					payload: Buffer.from("gone"),
					qos: 1,
					retain: true,
					properties: { willDelayInterval: HOUR_S },
				},
			}),
		});
		await client.subscribe("queued", 1);
		client.destroy();
	}
	await turns(20);
	const publisher = await rig.join("publisher");
	const properties = { messageExpiryInterval: HOUR_S };
	publisher.publish("queued", "m", 1, { messageId: 1, properties });
	publisher.publish("kept", "m", 1, { messageId: 2, retain: true, properties });
	await turns(20);
	publisher.destroy();
}

interface Case {
	readonly wallMs: number;
	/** What happens after a minute. */
	readonly event: (machine: Machine) => Promise<void>;
	/** What the log says. */
	readonly words: RegExp | null;
}

const now = Date.UTC(2026, 10, 20);
const jump = (ms: number) => async (machine: Machine) => {
	machine.clock.jumpWall(ms);
	await machine.runFor(MINUTE_MS);
};
const set =
	/the clock was set (forward|back); sessions and messages expire as if/;
const wrong = /the clock is wrong, or was when the broker last ran/;

const cases: Readonly<Record<string, Case>> = {
	"nothing happens": { wallMs: now, event: async () => {}, words: null },
	"an hour off, counted": {
		wallMs: now,
		event: (machine) => machine.restart(10 * MINUTE_MS, 0, false),
		words: null,
	},
	"set forward by years while running": {
		wallMs: now,
		event: jump(56 * YEAR_MS),
		words: set,
	},
	"set back by years while running": {
		wallMs: now,
		event: jump(-56 * YEAR_MS),
		words: set,
	},
	"booted in 1970, then set while running, then killed": {
		wallMs: 10_000,
		event: async (machine) => {
			await jump(now)(machine);
			await machine.restart(5000, 0, true);
		},
		words: null,
	},
	"booted in 1970, right after the next start": {
		wallMs: 10_000,
		event: (machine) => machine.restart(5000, now, true),
		words: wrong,
	},
	"in 1970 after the next start, then set": {
		wallMs: now,
		event: async (machine) => {
			await machine.restart(5000, -now, false);
			await jump(now)(machine);
		},
		words: set,
	},
	"in 1970 at two starts, then right at the third": {
		wallMs: now,
		event: async (machine) => {
			await machine.restart(5000, -now, true);
			await machine.runFor(MINUTE_MS);
			await machine.restart(5000, -MINUTE_MS, true);
			await machine.restart(5000, now, true);
		},
		words: wrong,
	},
	"years ahead after the next start": {
		wallMs: now,
		event: (machine) => machine.restart(5000, 70 * YEAR_MS, false),
		words: wrong,
	},
	"years ahead after the next start, then set back": {
		wallMs: now,
		event: async (machine) => {
			await machine.restart(5000, 70 * YEAR_MS, true);
			await jump(-70 * YEAR_MS)(machine);
		},
		words: set,
	},
	"set forward by a week while running, and restarted": {
		wallMs: now,
		event: async (machine) => {
			await jump(168 * HOUR_MS)(machine);
			await machine.restart(5000, 0, false);
		},
		words: null,
	},
};

for (const [name, { wallMs, event, words }] of Object.entries(cases)) {
	t.test(`${name}: what has time left is there`, async (t) => {
		const machine = new Machine(t, wallMs);
		await machine.start();
		await leave(machine);
		await machine.runFor(MINUTE_MS);
		await event(machine);
		if (words !== null) t.match(machine.rig.log.join("\n"), words);
		await machine.runFor(30 * MINUTE_MS);
		const { rig } = machine;
		t.ok(await retained(rig, "kept"));
		t.notOk(await retained(rig, "will"), "the will waits");
		const client = await rig.join("keeper", { clean: false });
		t.match(await got(client), ["publish m q1 #1"]);
	});

	t.test(`${name}: what has none left goes`, async (t) => {
		const machine = new Machine(t, wallMs);
		await machine.start();
		await leave(machine);
		await machine.runFor(MINUTE_MS);
		await event(machine);
		await machine.runFor(61 * MINUTE_MS);
		const { rig } = machine;
		t.notOk(await retained(rig, "kept"));
		t.ok(await retained(rig, "will"), "the will has come");
		const client = await rig.join("keeper", { clean: false });
		t.strictSame(await got(client), [], "the queued message is over");
		await machine.runFor(60 * MINUTE_MS);
		t.equal(rig.broker.registry.get("willing"), undefined);
	});
}

t.test("a long absence counts", async (t) => {
	const machine = new Machine(t, now);
	await machine.start();
	await leave(machine);
	await machine.restart(3 * HOUR_MS, 0, true);
	t.equal(machine.rig.broker.registry.get("keeper"), undefined);
	t.notOk(await retained(machine.rig, "kept"));
});
