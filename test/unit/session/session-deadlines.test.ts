import t from "tap";
import type { Session } from "../../../src/session/session.ts";
import { SessionDeadlines } from "../../../src/session/session-deadlines.ts";
import { SleepingSessions } from "../../../src/session/sleeping-sessions.ts";
import { makeContext, makeSession } from "./session-fixture.ts";

const HOUR = 3_600_000;
const SECOND = 1000;

function setUp() {
	const context = makeContext();
	const sessions = new Map<string, Session>();
	const notes: string[] = [];
	const owner = {
		onWillDue: ({ clientId }: Session) => notes.push(`will ${clientId}`),
		onSessionExpired: (session: Session) => {
			notes.push(session.clientId);
			deadlines.cancel(session);
			sessions.delete(session.clientId);
		},
		onSleeperExpired: (sleeper: number) => {
			notes.push(sleeping.read(sleeper).clientId);
			sleeping.remove(sleeper);
		},
	};
	const sleeping = new SleepingSessions();
	const deadlines = new SessionDeadlines(context, owner, sleeping, () =>
		sessions.values(),
	);
	const add = (
		clientId: string,
		endInMs: number,
		willInMs = Number.POSITIVE_INFINITY,
	) => {
		const session = makeSession(context, { clientId, expirySeconds: 100 });
		sessions.set(clientId, session);
		deadlines.set(session, willInMs, endInMs);
		return session;
	};
	const addAsleep = (clientId: string, endInMs: number) => {
		const sleeper = sleeping.add(clientId, null);
		sleeping.write(sleeper, {
			key: 1,
			expirySeconds: 100,
			disconnectedAtMs: 0,
			endsAtMs: context.clock.monotonicMs() + endInMs,
			lastSequence: 0,
			queuedMessages: 0,
			queuedBytes: 0,
		});
		deadlines.run();
		return sleeper;
	};
	return { clock: context.clock, deadlines, notes, add, addAsleep, sleeping };
}

t.test("what is far costs no timer, and ends in time", async (t) => {
	const { clock, notes, add } = setUp();
	for (let i = 0; i < 5000; i++) add(`s${i}`, HOUR + i * 10 * SECOND);
	t.equal(clock.pendingTimers, 1, "one for all of them");
	for (let i = 0; i < 100; i++) {
		clock.advance(i === 0 ? HOUR - 5 * SECOND : 10 * SECOND);
		t.equal(notes.length, i, `${i} have ended`);
	}
	t.equal(notes[50], "s50", "in order");
});

t.test("the last one stops the walk", async (t) => {
	const { clock, deadlines, notes, add } = setUp();
	const session = add("a", HOUR);
	const other = add("b", 2 * HOUR);
	deadlines.cancel(session);
	clock.advance(3 * HOUR);
	t.strictSame(notes, ["b"]);
	t.equal(clock.pendingTimers, 0);
	deadlines.cancel(other);
	deadlines.set(session, Infinity, HOUR);
	deadlines.cancel(session);
	clock.advance(HOUR);
	t.strictSame(notes, ["b"]);
	t.equal(clock.pendingTimers, 0);
});

t.test("a will far away is published in time", async (t) => {
	const { clock, notes, add } = setUp();
	add("a", 3 * HOUR, HOUR);
	clock.advance(HOUR - SECOND);
	t.strictSame(notes, []);
	clock.advance(2 * SECOND);
	t.strictSame(notes, ["will a"]);
	clock.advance(2 * HOUR);
	t.strictSame(notes, ["will a", "a"]);
});

t.test("after a suspend all that is over ends at once", async (t) => {
	const { clock, deadlines, notes, add } = setUp();
	for (let i = 0; i < 5000; i++) add(`s${i}`, HOUR);
	const session = add("far", 5 * HOUR);
	clock.suspend(2 * HOUR);
	t.equal(notes.length, 5000);
	t.notOk(deadlines.isOver(session));
	clock.suspend(5 * HOUR);
	t.equal(notes.at(-1), "far");
});

t.test("a session that never ends has no deadline", async (t) => {
	const { clock, deadlines, add } = setUp();
	const session = add("a", Number.POSITIVE_INFINITY);
	t.equal(clock.pendingTimers, 0);
	t.notOk(deadlines.isOver(session));
});

t.test(
	"sleepers end when the walk comes by, late by 30 s at most",
	async (t) => {
		const { clock, notes, addAsleep, sleeping } = setUp();
		for (let i = 0; i < 3000; i++) addAsleep(`s${i}`, HOUR + i * SECOND);
		t.equal(clock.pendingTimers, 1);
		clock.advance(HOUR - SECOND);
		t.strictSame(notes, []);
		for (let passed = 30; passed < 3000; passed += 100) {
			clock.advance(100 * SECOND);
			t.ok(notes.length >= passed, `${notes.length} of ${passed + 100}`);
			t.ok(notes.length <= passed + 100);
		}
		clock.advance(HOUR);
		t.equal(new Set(notes).size, 3000);
		t.equal(sleeping.size, 0);
		t.equal(clock.pendingTimers, 0);
	},
);

t.test("sleepers that all end at once end a few at a time", async (t) => {
	const { clock, notes, addAsleep } = setUp();
	for (let i = 0; i < 5000; i++) addAsleep(`s${i}`, HOUR);
	clock.advance(HOUR + 30 * SECOND);
	const atOnce = notes.length;
	t.ok(atOnce > 0);
	clock.advance(20 * SECOND);
	t.equal(notes.length, 5000);
	t.equal(clock.pendingTimers, 0);
});

t.test("sleepers without an end cost no timer", async (t) => {
	const { clock, addAsleep } = setUp();
	addAsleep("for ever", Number.POSITIVE_INFINITY);
	t.equal(clock.pendingTimers, 0);
});
