/**
 * A disk that cannot be written: what is held, for how long, what is refused then, and
 * that nothing refused is found later.
 */
import t, { type Test } from "tap";
import { FakeClock } from "../../support/fake-clock.ts";
import { HandDisk } from "../../support/hand-disk.ts";
import {
	persistent,
	type Rig,
	startRig,
	type TestClient,
	turns,
} from "../broker/broker-fixture.ts";

const WAIT_MS = 30_000;
const QUOTA = 0x97;

interface DiskRig extends Rig {
	readonly disk: HandDisk;
	/** A write fails, and the broker knows. */
	break(): Promise<void>;
	mend(): Promise<void>;
	/** Lets time pass. */
	wait(ms: number): Promise<void>;
}

async function setUp(
	t: Test,
	overrides = {},
	away: { awayInMemory?: number } = {},
): Promise<DiskRig> {
	const clock = new FakeClock();
	const disk = new HandDisk({
		clock,
		commitIntervalMs: 50,
		lazyIntervalMs: 5000,
	});
	const options = { clock, store: disk.store, ...away };
	const rig = await startRig(t, overrides, options);
	t.teardown(() => disk.mendDisk());
	return {
		...rig,
		disk,
		break: async () => {
			disk.breakDisk();
			disk.store.putValue("test", "probe", Buffer.from("x"), null);
			await turns(20);
		},
		mend: async () => {
			disk.mendDisk();
			await turns(40);
		},
		wait: async (ms) => {
			await clock.advanceAsync(ms);
			await turns(20);
		},
	};
}

/** What a client has got; a connection that is held does not answer a ping. */
async function got(client: TestClient): Promise<string[]> {
	await turns(20);
	return await client.take();
}

/** A session that is away and is owed what is published to `a`. */
async function keeper(rig: Rig): Promise<void> {
	const client = await rig.join("keeper", persistent);
	await client.subscribe("a", 2);
	client.destroy();
	await turns(40);
}

/** What the keeper finds when it comes back, sorted. */
async function kept(rig: Rig): Promise<string[]> {
	const client = await rig.join("keeper", persistent);
	return (await got(client))
		.map((note) => note.replace(/ #\d+$/, ""))
		.toSorted();
}

for (const away of [{}, { awayInMemory: 0 }]) {
	const kind = "awayInMemory" in away ? "asleep" : "away";
	t.test(
		`what has to be stored for a session that is ${kind} waits, then is refused, and is not there later`,
		async (t) => {
			const rig = await setUp(t, {}, away);
			await keeper(rig);
			const one = await rig.join("one");
			const two = await rig.join("two");
			await rig.break();
			one.publish("a", "refused", 1, { messageId: 1 });
			two.publish("a", "refused too", 2, { messageId: 2 });
			await rig.wait(WAIT_MS - 1000);
			t.strictSame(await got(one), []);
			await rig.wait(1500);
			t.strictSame(await got(one), [`puback 1 ${QUOTA}`]);
			t.strictSame(await got(two), [`pubrec 2 ${QUOTA}`]);
			one.publish("a", "at once", 1, { messageId: 3 });
			t.strictSame(await got(one), [`puback 3 ${QUOTA}`]);
			t.match(rig.api.status.degraded, { isRefusing: true, refused: 3 });
			await rig.mend();
			two.publish("a", "accepted", 2, { messageId: 2 });
			t.strictSame(await got(two), ["pubrec 2"]);
			one.publish("a", "accepted too", 1, { messageId: 3 });
			t.strictSame(await got(one), ["puback 3"]);
			t.strictSame(await kept(rig), [
				"publish accepted q2",
				"publish accepted too q1",
			]);
			t.match(rig.api.status.degraded, { trouble: "", isRefusing: false });
		},
	);
}

t.test(
	"what waited is handled when the disk is well again in time",
	async (t) => {
		const rig = await setUp(t);
		await keeper(rig);
		const client = await rig.join("one");
		const old = await rig.join("old", { clean: true }, 4);
		await rig.break();
		client.publish("a", "1", 1, { messageId: 1 });
		client.publish("a", "2", 2, { messageId: 2 });
		old.publish("a", "3", 1, { messageId: 3 });
		await rig.wait(WAIT_MS - 1000);
		t.strictSame(await got(client), []);
		await rig.mend();
		t.strictSame(await got(client), ["puback 1", "pubrec 2"]);
		t.strictSame(await got(old), ["puback 3"]);
		t.strictSame(await kept(rig), [
			"publish 1 q1",
			"publish 2 q2",
			"publish 3 q1",
		]);
		t.equal(rig.api.status.degraded.refused, 0);
		t.equal(rig.api.status.statistics.publishReceived, 3, "counted once each");
	},
);

t.test(
	"clients before version 5 are closed, with a line in the log",
	async (t) => {
		const rig = await setUp(t);
		await keeper(rig);
		for (const version of [3, 4] as const) {
			const name = `old-${version}`;
			const client = await rig.join(name, { clean: true }, version);
			await rig.break();
			client.publish("a", "m", 1, { messageId: 1 });
			await rig.wait(WAIT_MS + 1000);
			t.strictSame(await got(client), []);
			t.ok(client.isClosed);
			const line = rig.log.find(
				(each) =>
					each.includes(`client=${name} `) && each.includes("disconnected"),
			);
			t.match(line, /cannot be written/);
			await rig.mend();
		}
		t.strictSame(await kept(rig), []);
	},
);

t.test(
	"what needs no disk goes on: QoS 0, clean sessions, pings",
	async (t) => {
		const rig = await setUp(t);
		await keeper(rig);
		const stored = await rig.join("stored", persistent);
		await stored.subscribe("b", 1);
		await rig.break();
		await rig.wait(2 * WAIT_MS);
		const clean = await rig.join("clean");
		await clean.subscribe("c", 2);
		const other = await rig.join("other", { clean: true }, 4);
		other.publish("c", "0", 0);
		other.publish("c", "1", 1, { messageId: 1 });
		other.publish("c", "2", 2, { messageId: 2 });
		other.publish("a", "for the keeper too", 0);
		t.strictSame(await other.settled(), ["puback 1", "pubrec 2"]);
		t.strictSame(await clean.settled(), [
			"publish 0 q0",
			"publish 1 q1 #1",
			"publish 2 q2 #2",
		]);
		// Acknowledged before it would be written, however late.
		other.publish("b", "to a stored session", 1, { messageId: 4 });
		t.strictSame(await stored.settled(), ["publish to a stored session q1 #1"]);
		await rig.wait(WAIT_MS - 2000);
		t.strictSame(await other.settled(), []);
		stored.acknowledge("puback", 1);
		t.strictSame(await stored.settled(), []);
		t.strictSame(await other.settled(), ["puback 4"]);
		await rig.mend();
	},
);

t.test(
	"CONNECTs that need the store wait, then are refused; others are not",
	async (t) => {
		const rig = await setUp(t);
		await keeper(rig);
		await rig.break();
		const will = {
			topic: "w",
			payload: Buffer.from("x"),
			qos: 0,
			retain: false,
		} as const;
		const watcher = await rig.join("watcher");
		await watcher.subscribe("w", 0);
		const clients = [
			{ version: 5, id: "new", options: persistent, code: QUOTA },
			{ version: 4, id: "old", options: { clean: false }, code: 3 },
			// It would discard what is stored.
			{ version: 4, id: "keeper", options: { clean: true }, code: 3 },
		] as const;
		const waiting = clients.map(({ version, id, options }) => {
			const client = rig.client(version);
			client.startConnect(id, { ...options, will });
			return client;
		});
		await rig.wait(WAIT_MS - 1000);
		for (const client of waiting) t.strictSame(await got(client), []);
		await rig.wait(2000);
		for (const [index, { code }] of clients.entries()) {
			const client = waiting[index] as TestClient;
			const connack = await client.expect("connack");
			t.equal(connack.reasonCode ?? connack.returnCode, code);
			t.ok(await client.closed());
		}
		t.strictSame(
			await watcher.settled(),
			[],
			"no will of a client that was not in",
		);
		t.equal(rig.api.status.sessions, 2, "nothing was made");
		await rig.mend();
		const back = rig.client();
		back.startConnect("keeper", persistent);
		t.equal((await back.expect("connack")).sessionPresent, true);
	},
);

t.test(
	"a CONNECT that waited is let in when the disk is well again",
	async (t) => {
		const rig = await setUp(t);
		await rig.break();
		const client = rig.client();
		client.startConnect("c", persistent);
		await rig.wait(5000);
		t.strictSame(await got(client), []);
		await rig.mend();
		await rig.wait(1000);
		t.match(await got(client), ["connack"]);
	},
);

t.test(
	"SUBSCRIBE and UNSUBSCRIBE of persistent sessions are refused",
	async (t) => {
		const rig = await setUp(t);
		const client = await rig.join("c", persistent);
		await client.subscribe("kept", 1);
		await rig.break();
		client.startSubscribe("new", 1);
		await rig.wait(WAIT_MS - 1000);
		t.strictSame(await got(client), []);
		await rig.wait(2000);
		t.strictSame((await client.expect("suback")).granted, [QUOTA]);
		client.write({
			cmd: "unsubscribe",
			messageId: 9,
			unsubscriptions: ["kept"],
		});
		t.strictSame((await client.expect("unsuback")).granted, [0x83]);
		t.equal(rig.api.status.subscriptions, 1);
		await rig.mend();
		const old = await rig.join("old", { clean: false }, 4);
		await rig.break();
		await rig.wait(WAIT_MS + 1000);
		old.startSubscribe("new", 1);
		t.strictSame((await old.expect("suback")).granted, [0x80]);
		old.write({ cmd: "unsubscribe", messageId: 9, unsubscriptions: ["new"] });
		t.ok(await old.closed(), "its UNSUBACK cannot say no");
		await rig.mend();
		const oldest = await rig.join("oldest", { clean: false }, 3);
		await rig.break();
		await rig.wait(WAIT_MS + 1000);
		oldest.startSubscribe("new", 1);
		t.ok(await oldest.closed(), "its SUBACK cannot say no");
		await rig.mend();
		t.equal(rig.api.status.subscriptions, 1);
	},
);

t.test(
	"a QoS 1 message on its way to the disk is refused after the wait and may still come",
	async (t) => {
		const rig = await setUp(t);
		await keeper(rig);
		const client = await rig.join("one");
		rig.disk.breakDisk();
		client.publish("a", "open", 1, { messageId: 1 });
		await got(client);
		await rig.wait(WAIT_MS - 1000);
		t.strictSame(await got(client), []);
		await rig.wait(1500);
		t.strictSame(await got(client), [`puback 1 ${QUOTA}`]);
		await rig.mend();
		t.strictSame(await got(client), [], "answered once");
		t.strictSame(await kept(rig), ["publish open q1"]);
	},
);

t.test(
	"a QoS 2 message on its way to the disk is neither refused nor sent twice",
	async (t) => {
		const rig = await setUp(t);
		await keeper(rig);
		const client = await rig.join("two", persistent);
		rig.disk.breakDisk();
		client.publish("a", "open", 2, { messageId: 7 });
		await rig.wait(WAIT_MS + 1000);
		t.match(await got(client), [`disconnect ${QUOTA}`]);
		t.ok(client.isClosed);
		await rig.mend();
		const again = await rig.join("two", persistent);
		again.publish("a", "open", 2, { messageId: 7, dup: true });
		t.strictSame(await got(again), ["pubrec 7"]);
		again.acknowledge("pubrel", 7);
		t.strictSame(await got(again), ["pubcomp 7"]);
		t.strictSame(await kept(rig), ["publish open q2"]);
	},
);

t.test(
	"a CONNECT and a SUBSCRIBE on their way to the disk end with the connection",
	async (t) => {
		const rig = await setUp(t);
		const subscriber = await rig.join("s", persistent);
		rig.disk.breakDisk();
		subscriber.startSubscribe("x", 1);
		const connecting = rig.client();
		connecting.startConnect("c", persistent);
		await rig.wait(WAIT_MS + 1000);
		t.match(await got(subscriber), [`disconnect ${QUOTA}`]);
		t.match(await got(connecting), [`connack ${QUOTA}`]);
		t.ok(connecting.isClosed && subscriber.isClosed);
		await rig.mend();
		const back = await rig.join("s", persistent);
		await back.subscribe("x", 1);
		t.equal(rig.api.status.subscriptions, 1);
	},
);

t.test(
	"one line at the start, one when refusing begins, one at the end",
	async (t) => {
		const rig = await setUp(t, { "store.degraded_wait": "10s" });
		await keeper(rig);
		const client = await rig.join("one");
		await rig.break();
		client.publish("a", "m", 1, { messageId: 1 });
		await rig.wait(12_000);
		await rig.mend();
		const lines = rig.log.filter((line) => line.includes(" store "));
		t.equal(lines.length, 3);
		t.match(lines[0], /the disk is full/);
		t.match(lines[1], /refused from now on.*store\.degraded_wait/);
		t.match(lines[2], /can be written again after_s=12 refused=1/);
	},
);

t.test("with store.degraded_wait = 0 nothing waits", async (t) => {
	const rig = await setUp(t, { "store.degraded_wait": 0 });
	await keeper(rig);
	const client = await rig.join("one");
	await rig.break();
	client.publish("a", "m", 1, { messageId: 1 });
	t.strictSame(await got(client), [`puback 1 ${QUOTA}`]);
	await rig.mend();
	t.strictSame(await kept(rig), []);
});
