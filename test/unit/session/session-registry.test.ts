import t from "tap";
import { SESSION_NEVER_EXPIRES } from "../../../src/protocol/constants.ts";
import type { WillMessage } from "../../../src/protocol/messages.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import type { InflightEntry } from "../../../src/session/inflight.ts";
import type { Session } from "../../../src/session/session.ts";
import {
	type OpenRequest,
	type SessionObserver,
	SessionRegistry,
} from "../../../src/session/session-registry.ts";
import type { Subscription } from "../../../src/session/subscription.ts";
import type { SavedSession } from "../../../src/store/store.ts";
import {
	committed,
	deliveryOf,
	makeContext,
	message,
	NotingOutlet,
	NotingTicket,
	subscriptionOf,
	type TestContext,
} from "./session-fixture.ts";

class NotingObserver implements SessionObserver {
	readonly notes: string[] = [];

	onSessionEnded(session: Session): null {
		this.notes.push(`ended ${session.clientId}`);
		return null;
	}

	onDetached(session: Session, entries: readonly InflightEntry[]): void {
		if (entries.length === 0) return;
		this.notes.push(`detached ${session.clientId} ${entries.length}`);
	}

	publishWill(session: Session, will: WillMessage): void {
		this.notes.push(`will ${session.clientId} ${will.payload}`);
	}

	/** Sleepers and what woke them find the subscriptions here. */
	readonly asleep = new Map<number, Subscription[]>();

	onSleep(session: Session, sleeper: number): number {
		this.notes.push(`asleep ${session.clientId}`);
		this.asleep.set(sleeper, session.subscriptions.values());
		return sleeper;
	}

	onWake(session: Session, first: number): void {
		this.notes.push(`awake ${session.clientId}`);
		for (const each of this.asleep.get(first) ?? [])
			session.subscriptions.set(each);
	}

	onRestored(): void {}

	onRestoredAsleep(sleeper: number): number {
		return sleeper;
	}

	take(): string[] {
		return this.notes.splice(0);
	}
}

function will(payload: string, delaySeconds = 0): WillMessage {
	return { ...message("will", payload), delaySeconds };
}

function setUp(
	settings: Record<string, string | number | boolean> = {},
	context: TestContext = makeContext(settings),
	awayInMemory?: number,
) {
	const observer = new NotingObserver();
	const registry = new SessionRegistry(context, observer, awayInMemory);
	const notes: string[] = [];
	const open = (request: Partial<OpenRequest> = {}) => {
		const outlet = new NotingOutlet();
		const ticket = new NotingTicket("open", notes);
		ticket.hold();
		const opened = registry.open(
			{
				clientId: "c",
				username: null,
				cleanStart: false,
				expirySeconds: 100,
				will: null,
				...request,
			},
			outlet,
			ticket,
		);
		ticket.settle();
		return { ...opened, outlet };
	};
	const saved = async () => {
		await committed(context.store);
		return await context.store.readSessions(0, 99);
	};
	return { context, observer, registry, open, saved, notes };
}

t.test("makes one session for each client id [MQTT-3.1.3-2]", async (t) => {
	const { registry, open } = setUp();
	const a = open({ clientId: "a" });
	const b = open({ clientId: "b" });
	t.not(a.session, b.session);
	t.notOk(a.isPresent);
	t.equal(registry.size, 2);
	t.equal(registry.get("a"), a.session);
	t.equal(registry.get("nobody"), undefined);
	t.strictSame([...registry.all()], [a.session, b.session]);
	t.not(a.session.key, b.session.key);
});

t.test(
	"a session without Clean Start is resumed [MQTT-3.1.2-5] [MQTT-3.2.2-3]",
	async (t) => {
		const { registry, open, observer } = setUp();
		const first = open();
		registry.close(first.session, first.outlet, true);
		const second = open({ username: "new", expirySeconds: 7 });
		t.ok(second.isPresent);
		t.equal(second.session, first.session);
		t.equal(second.session.username, "new");
		t.equal(second.session.expirySeconds, 7);
		t.equal(second.session.disconnectedAtMs, 0);
		t.strictSame(observer.take(), []);
	},
);

t.test("Clean Start discards what was there [MQTT-3.1.2-4]", async (t) => {
	const { registry, open, observer, saved } = setUp();
	const first = open();
	registry.close(first.session, first.outlet, true);
	const second = open({ cleanStart: true });
	t.notOk(second.isPresent);
	t.not(second.session, first.session);
	t.strictSame(observer.take(), ["ended c"]);
	t.strictSame(
		(await saved()).map(({ key }) => key),
		[second.session.key],
	);
});

t.test(
	"a session with expiry 0 ends with its connection, and the disk never sees it",
	async (t) => {
		const { registry, open, observer, saved, notes } = setUp();
		const { session, outlet } = open({ expirySeconds: 0 });
		t.strictSame(notes, ["open"], "nothing to wait for");
		t.notOk(session.isPersistent);
		registry.close(session, outlet, true);
		t.strictSame(observer.take(), ["ended c"]);
		t.equal(registry.size, 0);
		t.strictSame(await saved(), []);
	},
);

t.test("a session is on disk before its ticket is settled", async (t) => {
	const { open, saved, notes } = setUp();
	open({ username: "u", will: will("w", 5) });
	t.strictSame(notes, []);
	const [row] = await saved();
	t.strictSame(notes, ["open"]);
	t.match(row, {
		clientId: "c",
		username: "u",
		expirySeconds: 100,
		disconnectedAtMs: 0,
	});
	t.equal(row?.will?.delaySeconds, 5);
});

t.test(
	"ends when its expiry is over [MQTT-3.1.2-23] [MQTT-4.1.0-2]",
	async (t) => {
		const { context, registry, open, observer, saved } = setUp();
		const { session, outlet } = open();
		registry.close(session, outlet, true);
		t.equal((await saved())[0]?.disconnectedAtMs, context.clock.wallMs());
		context.clock.advance(99_000);
		t.equal(registry.size, 1);
		context.clock.advance(1200);
		t.equal(registry.size, 0);
		t.strictSame(observer.take(), ["ended c"]);
		t.strictSame(await saved(), []);
		t.match(context.lines.join(), /session expired.*client=c/);
	},
);

t.test("never ends with an expiry of 0xFFFFFFFF", async (t) => {
	const { context, registry, open } = setUp();
	const { session, outlet } = open({ expirySeconds: SESSION_NEVER_EXPIRES });
	registry.close(session, outlet, true);
	t.equal(context.clock.pendingTimers, 0);
	context.clock.advance(1e12);
	t.equal(registry.size, 1);
});

t.test("a client that returns stops the clock", async (t) => {
	const { context, registry, open } = setUp();
	const { session, outlet } = open();
	registry.close(session, outlet, true);
	context.clock.advance(99_000);
	open();
	context.clock.advance(1_000_000);
	t.equal(registry.size, 1);
});

t.test(
	"a late close of a connection that was replaced changes nothing",
	async (t) => {
		const { registry, open, observer } = setUp();
		const first = open({ will: will("first", 9) });
		const second = open({ will: will("second") });
		observer.take();
		registry.close(first.session, first.outlet, true);
		t.equal(second.session.outlet, second.outlet);
		t.strictSame(observer.take(), []);
	},
);

t.test(
	"a will is published at once without a delay, and once [MQTT-3.1.2-8] [MQTT-3.1.2-10]",
	async (t) => {
		const { context, registry, open, observer, saved } = setUp();
		const { session, outlet } = open({ will: will("w") });
		registry.close(session, outlet, true);
		t.strictSame(observer.take(), ["will c w"]);
		t.equal((await saved())[0]?.will, null);
		context.clock.advance(200_000);
		t.strictSame(observer.take(), ["ended c"]);
	},
);

t.test(
	"a will that was taken back is not published [MQTT-3.14.4-3]",
	async (t) => {
		const { context, registry, open, observer } = setUp();
		for (const expirySeconds of [0, 100]) {
			const { session, outlet } = open({ will: will("w", 1), expirySeconds });
			registry.close(session, outlet, false);
			context.clock.advance(200_000);
			t.strictSame(observer.take(), ["ended c"]);
		}
	},
);

t.test(
	"a will with a delay waits, and not beyond the session [MQTT-3.1.3-9]",
	async (t) => {
		const { context, registry, open, observer, saved } = setUp();
		const delayed = open({ will: will("w", 10) });
		registry.close(delayed.session, delayed.outlet, true);
		context.clock.advance(9000);
		t.strictSame(observer.take(), []);
		context.clock.advance(1200);
		t.strictSame(observer.take(), ["will c w"]);
		t.equal((await saved())[0]?.will, null);
		context.clock.advance(90_000);
		t.strictSame(observer.take(), ["ended c"]);

		const late = open({ will: will("late", 500) });
		registry.close(late.session, late.outlet, true);
		context.clock.advance(100_200);
		t.strictSame(observer.take(), ["ended c", "will c late"]);

		const atOnce = open({ will: will("now", 500), expirySeconds: 0 });
		registry.close(atOnce.session, atOnce.outlet, true);
		t.strictSame(observer.take(), ["ended c", "will c now"]);
	},
);

t.test(
	"a client that returns in time has no will published [MQTT-3.1.3-9]",
	async (t) => {
		const { context, registry, open, observer } = setUp();
		const first = open({ will: will("w", 10) });
		registry.close(first.session, first.outlet, true);
		context.clock.advance(9000);
		open();
		context.clock.advance(200_000);
		t.strictSame(observer.take(), []);
	},
);

t.test(
	"Clean Start publishes a will that still waits: its session ends",
	async (t) => {
		const { registry, open, observer } = setUp();
		const first = open({ will: will("w", 10) });
		registry.close(first.session, first.outlet, true);
		open({ cleanStart: true });
		t.strictSame(observer.take(), ["ended c", "will c w"]);
	},
);

t.test("max_last_will_delay shortens the delay", async (t) => {
	const { context, registry, open, observer } = setUp({
		max_last_will_delay: "2s",
	});
	const first = open({ will: will("w", 10) });
	registry.close(first.session, first.outlet, true);
	context.clock.advance(2100);
	t.strictSame(observer.take(), ["will c w"]);
});

t.test(
	"take-over ends the earlier connection and keeps the session [MQTT-3.1.4-3]",
	async (t) => {
		const { context, open, observer, registry } = setUp();
		const first = open();
		subscriptionOf(first.session, "a");
		const second = open();
		t.strictSame(first.outlet.take(), [`ended ${ReasonCode.SessionTakenOver}`]);
		t.ok(second.isPresent);
		t.equal(second.session.outlet, second.outlet);
		t.equal(second.session.subscriptions.size, 1);
		t.equal(context.counters.takeOvers, 1);
		t.strictSame(observer.take(), []);
		for (let i = 0; i < 4; i++) open();
		t.ok(registry.takeOvers.delayMs("c", 5) > 0);
	},
);

t.test("take-over of a clean session ends it", async (t) => {
	const { open, observer } = setUp();
	open({ expirySeconds: 0, will: will("w", 30) });
	const second = open();
	t.notOk(second.isPresent);
	t.strictSame(observer.take().toSorted(), ["ended c", "will c w"]);
});

t.test(
	"wills on take-over: at once without a delay, never when the session goes on within it",
	async (t) => {
		const { context, open, observer } = setUp();
		open({ will: will("first") });
		open({ will: will("second", 30) });
		t.strictSame(observer.take(), ["will c first"]);
		open();
		t.strictSame(observer.take(), []);
		open({ will: will("third", 30) });
		open({ cleanStart: true });
		t.strictSame(observer.take(), ["will c third", "ended c"]);
		context.clock.advance(1_000_000);
		t.strictSame(observer.take(), []);
	},
);

t.test("suppress_lwt_on_session_takeover keeps wills back", async (t) => {
	const { open, observer } = setUp({ suppress_lwt_on_session_takeover: "on" });
	open({ will: will("w") });
	open({ cleanStart: true, will: will("v") });
	open({ expirySeconds: 0, cleanStart: true });
	t.strictSame(observer.take(), ["ended c", "ended c"]);
});

t.test(
	"what a lost connection had in memory is offered to others and let go",
	async (t) => {
		const { context, registry, open, observer } = setUp();
		const { session, outlet } = open({ expirySeconds: 0 });
		session.deliver(deliveryOf(context, "m"), subscriptionOf(session, "#"));
		t.strictSame(outlet.take(), ["m q1 #1"]);
		registry.close(session, outlet, true);
		t.strictSame(observer.take(), ["detached c 1", "ended c"]);
		t.equal(context.messageBudget.used, 0);
		t.equal(context.counters.queuedMessages, 0);
	},
);

t.test(
	"shutdown detaches everybody and keeps wills for the next start",
	async (t) => {
		const { registry, open, observer, saved } = setUp();
		open({ clientId: "a", will: will("w") });
		const b = open({ clientId: "b" });
		registry.close(b.session, b.outlet, true);
		registry.detachAll();
		t.strictSame(observer.take(), []);
		const rows = await saved();
		t.strictSame(
			rows.map(({ clientId, will: kept }) => [clientId, kept !== null]),
			[
				["a", true],
				["b", false],
			],
		);
		t.ok(rows.every(({ disconnectedAtMs }) => disconnectedAtMs > 0));
		t.ok([...registry.all()].every(({ outlet }) => outlet === null));
	},
);

function savedSession(rest: Partial<SavedSession> = {}): SavedSession {
	return {
		key: 5,
		lanes: [],
		clientId: "c",
		username: "u",
		expirySeconds: 100,
		disconnectedAtMs: 0,
		will: null,
		subscriptions: [],
		receivedIds: [],
		queuedMessages: 0,
		queuedBytes: 0,
		lastSequence: 0,
		...rest,
	};
}

t.test("restores a session with its counts, ids and sequence", async (t) => {
	const { context, registry, open } = setUp();
	const session = registry.restore(
		savedSession({
			receivedIds: [3, 9],
			queuedMessages: 4,
			queuedBytes: 400,
			lastSequence: 12,
			disconnectedAtMs: context.clock.wallMs() - 1000,
		}),
	);
	t.match(session, {
		clientId: "c",
		username: "u",
		queuedMessages: 4,
		queuedBytes: 400,
		isPersistent: true,
	});
	t.strictSame([...(session?.receivedIds ?? [])], [3, 9]);
	t.equal(session?.nextSequence(), 13);
	t.equal(context.counters.queuedMessages, 4);
	t.ok(
		open({ clientId: "other" }).session.key > 5,
		"keys go on after the highest",
	);
});

t.test("time that passed while the broker was down counts", async (t) => {
	const { context, registry, observer } = setUp();
	const ago = context.clock.wallMs() - 90_000;
	registry.restore(
		savedSession({ disconnectedAtMs: ago, will: will("w", 95) }),
	);
	context.clock.advance(5200);
	t.strictSame(observer.take(), ["will c w"]);
	context.clock.advance(5000);
	t.strictSame(observer.take(), ["ended c"]);
});

t.test(
	"a session whose time was up ends soon after the start, its will first",
	async (t) => {
		const { context, registry, observer } = setUp();
		const ago = context.clock.wallMs() - 900_000;
		registry.restore(
			savedSession({ disconnectedAtMs: ago, will: will("w", 5) }),
		);
		context.clock.advance(200);
		t.strictSame(observer.take().toSorted(), ["ended c", "will c w"]);
	},
);

t.test(
	"a will that is due at the start is published before its client can come back [MQTT-3.1.2-8]",
	async (t) => {
		const { context, registry, observer, open } = setUp();
		registry.restore(savedSession({ will: will("w", 0) }));
		registry.endRestore();
		t.strictSame(observer.take(), ["will c w"]);
		open({ clientId: "c", cleanStart: false });
		context.clock.advance(1000);
		t.strictSame(observer.take(), [], "and once");
	},
);

t.test("a wall clock that went back ends nothing early", async (t) => {
	const { context, registry } = setUp();
	const future = context.clock.wallMs() + 900_000;
	registry.restore(savedSession({ disconnectedAtMs: future }));
	context.clock.advance(99_000);
	t.equal(registry.size, 1);
	context.clock.advance(1200);
	t.equal(registry.size, 0);
});

t.test(
	"who was connected at a crash gets the whole time from the start",
	async (t) => {
		const { context, registry, observer, saved } = setUp();
		registry.restore(savedSession({ will: will("w", 10) }));
		registry.endRestore();
		const [row] = await saved();
		t.equal(row?.disconnectedAtMs, context.clock.wallMs());
		context.clock.advance(9900);
		t.strictSame(observer.take(), []);
		context.clock.advance(300);
		t.strictSame(observer.take(), ["will c w"]);
	},
);

t.test(
	"a session that was to end with its connection is not restored",
	async (t) => {
		const { registry, context } = setUp();
		context.store.putSession(savedSession({ expirySeconds: 0 }), null);
		t.equal(registry.restore(savedSession({ expirySeconds: 0 })), null);
		t.equal(registry.size, 0);
		registry.endRestore();
		await committed(context.store);
		t.strictSame(await context.store.readSessions(0, 9), []);
	},
);
