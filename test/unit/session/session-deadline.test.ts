import t from "tap";
import type { Session } from "../../../src/session/session.ts";
import { SessionDeadline } from "../../../src/session/session-deadline.ts";
import { makeContext, makeSession } from "./session-fixture.ts";

function setUp(willInMs: number, endInMs: number) {
	const context = makeContext();
	const session = makeSession(context, { expirySeconds: 100 });
	const notes: string[] = [];
	const owner = {
		onWillDue: (each: Session) => notes.push(`will ${each === session}`),
		onSessionExpired: (each: Session) => notes.push(`end ${each === session}`),
		onSleeperExpired: () => notes.push("nobody sleeps here"),
	};
	const deadline = new SessionDeadline(session, owner, willInMs, endInMs);
	return { clock: context.clock, notes, deadline };
}

t.test("the will is due first, then the end [MQTT-3.1.3-9]", async (t) => {
	const { clock, notes } = setUp(2000, 5000);
	clock.advance(1900);
	t.strictSame(notes, []);
	clock.advance(200);
	t.strictSame(notes, ["will true"]);
	clock.advance(2700);
	t.strictSame(notes, ["will true"]);
	clock.advance(300);
	t.strictSame(notes, ["will true", "end true"]);
	clock.advance(100_000);
	t.equal(notes.length, 2);
	t.equal(clock.pendingTimers, 0);
});

t.test("a will that is due later than the end does not delay it", async (t) => {
	const { clock, notes } = setUp(9000, 5000);
	clock.advance(5200);
	t.strictSame(notes, ["end true"], "whoever ends the session fires the will");
	clock.advance(9000);
	t.equal(notes.length, 1);
});

t.test("a session that never ends still fires its will", async (t) => {
	const { clock, notes } = setUp(2000, Infinity);
	clock.advance(2200);
	t.strictSame(notes, ["will true"]);
	t.equal(clock.pendingTimers, 0);
});

t.test("nothing is timed when nothing can happen", async (t) => {
	const { clock, notes } = setUp(Infinity, Infinity);
	t.equal(clock.pendingTimers, 0);
	clock.advance(1_000_000);
	t.strictSame(notes, []);
});

t.test("a cancelled deadline does nothing", async (t) => {
	const { clock, notes, deadline } = setUp(2000, 5000);
	clock.advance(1000);
	deadline.cancel();
	clock.advance(10_000);
	t.strictSame(notes, []);
	t.equal(clock.pendingTimers, 0);
});

t.test("after a suspend only the end is told", async (t) => {
	const { clock, notes } = setUp(2000, 5000);
	clock.suspend(60_000);
	t.strictSame(notes, ["end true"]);
});
