import t from "tap";
import { type Proof, Watchdog } from "../../../src/platform/watchdog.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const TIMEOUT_MS = 6000;
const TICK_MS = 1000;

class Part implements Proof {
	readonly name: string;
	readonly mayBeImpossible: boolean;
	asked = 0;
	#answer: () => Promise<unknown> = async () => {};

	constructor(name: string, mayBeImpossible: boolean) {
		this.name = name;
		this.mayBeImpossible = mayBeImpossible;
	}

	prove(): Promise<unknown> {
		this.asked++;
		return this.#answer();
	}

	work(): void {
		this.#answer = async () => {};
	}

	fail(words: string): void {
		this.#answer = async () => {
			throw new Error(words);
		};
	}

	/** @returns what answers after all */
	hang(): () => void {
		let answer = () => {};
		const answered = new Promise<void>((resolve) => {
			answer = resolve;
		});
		this.#answer = () => answered;
		return answer;
	}
}

t.test("pings once a tick while everything proves itself", async (t) => {
	const { clock, pings, store, listener } = watched();
	await clock.advanceAsync(0);
	t.equal(pings(), 1, "the first one at once");
	await clock.advanceAsync(5 * TICK_MS);
	t.equal(pings(), 6);
	t.equal(store.asked, 6);
	t.equal(listener.asked, 6);
});

t.test(
	"one that does not answer is named in time, and nothing pings",
	async (t) => {
		const { clock, pings, store, accused } = watched();
		await clock.advanceAsync(0);
		store.hang();
		await clock.advanceAsync(TICK_MS + 2 * TICK_MS);
		t.equal(pings(), 1);
		t.strictSame(accused, []);
		await clock.advanceAsync(TICK_MS);
		t.match(
			accused[0],
			/^the store has not proved that it works for 3\.0 s; unless/,
		);
		await clock.advanceAsync(20 * TICK_MS);
		t.equal(accused.length, 1, "once");
		t.equal(pings(), 1);
		t.equal(store.asked, 2, "and it is not asked again while it is silent");
	},
);

t.test("one that fails is asked again, and its reason told", async (t) => {
	const { clock, pings, listener, accused, noted } = watched();
	await clock.advanceAsync(0);
	listener.fail("connect ECONNREFUSED 127.0.0.1:1883");
	await clock.advanceAsync(4 * TICK_MS);
	t.match(accused[0], "the listener has not proved");
	t.match(accused[0], "(connect ECONNREFUSED 127.0.0.1:1883)");
	t.equal(listener.asked, 5);
	listener.work();
	await clock.advanceAsync(TICK_MS);
	t.strictSame(noted, ["the listener works again after 4.0 s"]);
	t.equal(pings(), 2, "the round is complete");
	await clock.advanceAsync(TICK_MS);
	t.equal(pings(), 3);
});

t.test("a late answer ends the accusation", async (t) => {
	const { clock, pings, store, noted } = watched();
	await clock.advanceAsync(0);
	const answer = store.hang();
	await clock.advanceAsync(5 * TICK_MS);
	answer();
	await clock.advanceAsync(0);
	t.equal(pings(), 2);
	t.match(noted[0], "the store works again");
});

t.test(
	"a listener that never could be reached is told of once and left out",
	async (t) => {
		const { clock, pings, listener, accused, noted } = watched((parts) =>
			parts.listener.fail("timed out"),
		);
		await clock.advanceAsync(3 * TICK_MS);
		t.match(noted[0], /does not answer the broker itself \(timed out\)/);
		t.equal(pings(), 1);
		await clock.advanceAsync(20 * TICK_MS);
		t.equal(noted.length, 1);
		t.ok(pings() > 10, "it holds nothing up");
		listener.work();
		await clock.advanceAsync(2 * TICK_MS);
		listener.fail("gone");
		await clock.advanceAsync(5 * TICK_MS);
		t.match(accused[0], "(gone)", "once it was reached it is watched");
	},
);

t.test("a store that never answers is not excused", async (t) => {
	const { clock, pings, accused } = watched((parts) => parts.store.hang());
	await clock.advanceAsync(30 * TICK_MS);
	t.equal(pings(), 0);
	t.equal(accused.length, 1);
});

t.test("time in which the process was stopped accuses nobody", async (t) => {
	const { clock, pings, store, accused } = watched();
	await clock.advanceAsync(0);
	const answer = store.hang();
	await clock.advanceAsync(TICK_MS);
	clock.suspend(3_600_000);
	await clock.advanceAsync(0);
	t.strictSame(accused, []);
	answer();
	store.work();
	await clock.advanceAsync(TICK_MS);
	t.ok(pings() >= 2);
});

t.test("a listener that a reload removes is not missed", async (t) => {
	const { clock, pings, listener, accused, proofs } = watched();
	await clock.advanceAsync(0);
	listener.hang();
	await clock.advanceAsync(2 * TICK_MS);
	proofs.pop();
	await clock.advanceAsync(4 * TICK_MS);
	t.strictSame(accused, []);
	t.ok(pings() > 3);
});

t.test("after stop nothing is asked and nothing pings", async (t) => {
	const { clock, pings, store, watchdog } = watched();
	const answer = store.hang();
	await clock.advanceAsync(0);
	watchdog.stop();
	answer();
	await clock.advanceAsync(10 * TICK_MS);
	t.equal(pings(), 1, "the one before");
	t.equal(clock.pendingTimers, 0);
});

interface Parts {
	readonly store: Part;
	readonly listener: Part;
}

function watched(prepare: (parts: Parts) => void = () => {}) {
	const clock = new FakeClock();
	const store = new Part("the store", false);
	const listener = new Part("the listener", true);
	prepare({ store, listener });
	const proofs = [store, listener];
	const accused: string[] = [];
	const noted: string[] = [];
	let pings = 0;
	const watchdog = new Watchdog({
		clock,
		timeoutMs: TIMEOUT_MS,
		proofs: () => [...proofs],
		ping: () => {
			pings++;
		},
		accuse: (words) => accused.push(words),
		note: (words) => noted.push(words),
	});
	watchdog.start();
	return {
		clock,
		store,
		listener,
		proofs,
		accused,
		noted,
		watchdog,
		pings: () => pings,
	};
}
