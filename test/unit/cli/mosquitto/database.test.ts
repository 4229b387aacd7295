/** mosquitto.db of all versions, whole and damaged, as it is read and brought into a store. */
import {
	closeSync,
	existsSync,
	openSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import t, { type Test } from "tap";
import { DatabaseFile } from "../../../../src/cli/mosquitto/database-file.ts";
import { FileWindow } from "../../../../src/cli/mosquitto/file-window.ts";
import {
	type PlanOptions,
	StatePlan,
} from "../../../../src/cli/mosquitto/state-plan.ts";
import {
	StateWriter,
	type WrittenState,
} from "../../../../src/cli/mosquitto/write-state.ts";
import { QueuePart } from "../../../../src/store/store.ts";
import { StoreClient } from "../../../../src/store/store-client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { MosquittoDb } from "../../../support/mosquitto-db.ts";
import { allRetained, allSessions } from "../../../support/store-fixtures.ts";

const NOW_MS = 1_800_000_000_000;
const NOW_SECONDS = NOW_MS / 1000;
const HOUR_SECONDS = 3600;
const NEVER = 0xffffffff;

const WAIT_FOR_PUBACK = 3;
const WAIT_FOR_PUBREC = 5;
const WAIT_FOR_PUBREL = 7;
const WAIT_FOR_PUBCOMP = 9;

const defaults: PlanOptions = {
	nowMs: NOW_MS,
	savedAtMs: NOW_MS - 1000,
	longestExpirySeconds: Number.POSITIVE_INFINITY,
	mosquittoExpirySeconds: Number.POSITIVE_INFINITY,
	isBridge: () => false,
};

function open(t: Test, bytes: Buffer): DatabaseFile {
	if (!existsSync(t.testdirName)) t.testdir();
	const path = join(t.testdirName, "mosquitto.db");
	writeFileSync(path, bytes);
	const descriptor = openSync(path, "r");
	t.teardown(() => closeSync(descriptor));
	return new DatabaseFile(new FileWindow(descriptor));
}

interface Imported {
	readonly plan: StatePlan;
	readonly written: WrittenState;
	/** By client id: what waits, in order. */
	readonly queues: Record<string, string[]>;
	readonly sessions: Awaited<ReturnType<typeof allSessions>>;
	/** topic=payload */
	readonly retained: string[];
}

async function importAll(
	t: Test,
	file: DatabaseFile,
	options: Partial<PlanOptions> = {},
): Promise<Imported> {
	const plan = new StatePlan(file, { ...defaults, ...options });
	const store = new StoreClient({
		path: ":memory:",
		clock: new FakeClock(),
		commitIntervalMs: 0,
		lazyIntervalMs: 0,
		onFatal: (error) => t.fail(error.message),
	});
	await store.open();
	const never = new Promise<never>(() => {});
	const writer = new StateWriter(store, file, plan, NOW_MS, never);
	const written = await writer.write();
	const sessions = await allSessions(store);
	const queues: Record<string, string[]> = {};
	for (const { key, clientId } of sessions) {
		const page = await store.readQueue(key, -1, 1e6, 1e9, QueuePart.All);
		queues[clientId] = page.messages.map(
			({ message, qos, phase, packetId, retain }) =>
				`${message.topic}=${message.payload} q${qos} p${phase} #${packetId}${retain ? " r" : ""}`,
		);
	}
	const retained = (await allRetained(store, "#", 1000)).map(
		({ message }) => `${message.topic}=${message.payload}`,
	);
	await store.close();
	return { plan, written, queues, sessions, retained };
}

function sample(version: number): MosquittoDb {
	return new MosquittoDb(version)
		.message({ id: 3, topic: "a/3", payload: "three", qos: 2 })
		.message({ id: 2, topic: "a/2", payload: "two", qos: 1 })
		.message({ id: 1, topic: "a/1", payload: "one", qos: 1, retain: true })
		.message({ id: 4, topic: "in", payload: "incoming", qos: 2 })
		.message({ id: 5, topic: "a/5", payload: "five", qos: 2 })
		.client({ clientId: "one" })
		.clientMessage({
			clientId: "one",
			id: 3,
			packetId: 17,
			qos: 2,
			state: WAIT_FOR_PUBREC,
		})
		.clientMessage({
			clientId: "one",
			id: 5,
			packetId: 18,
			qos: 2,
			state: WAIT_FOR_PUBCOMP,
		})
		.clientMessage({
			clientId: "one",
			id: 2,
			packetId: 19,
			state: WAIT_FOR_PUBACK,
		})
		.clientMessage({ clientId: "one", id: 1, packetId: 20, retain: true })
		.client({ clientId: "two" })
		.clientMessage({
			clientId: "two",
			id: 4,
			packetId: 77,
			qos: 2,
			direction: 0,
			state: WAIT_FOR_PUBREL,
		})
		.clientMessage({ clientId: "two", id: 2 })
		.subscription({ clientId: "one", filter: "in", qos: 2 })
		.subscription({ clientId: "two", filter: "#", qos: 1 })
		.retained(1);
}

for (const version of [2, 3, 4, 5, 6]) {
	t.test(`reads format ${version}`, async (t) => {
		const file = open(t, sample(version).toBuffer());
		t.equal(file.version, version);
		const imported = await importAll(t, file);
		t.strictSame(file.damages, []);
		t.strictSame(imported.queues, {
			one: [
				"a/3=three q2 p1 #17",
				"a/5=five q2 p2 #18",
				"a/2=two q1 p1 #19",
				"a/1=one q1 p0 #0 r",
				"in=incoming q2 p0 #0",
			],
			// A message that had not been released is passed on now, to its publisher too.
			two: ["a/2=two q1 p0 #0", "in=incoming q1 p0 #0"],
		});
		t.strictSame(imported.retained, ["a/1=one"]);
		t.strictSame(
			imported.sessions.map(({ clientId, subscriptions, receivedIds }) => ({
				clientId,
				filters: subscriptions.map(({ filter }) => filter),
				receivedIds,
			})),
			[
				{ clientId: "one", filters: ["in"], receivedIds: [] },
				{ clientId: "two", filters: ["#"], receivedIds: [77] },
			],
		);
		t.match(imported.written, {
			sessions: 2,
			subscriptions: 2,
			retained: 1,
			queued: 7,
			passedOn: 1,
			unusable: 0,
		});
	});
}

t.test("reads the gaps and times of other machines", async (t) => {
	const left = NOW_SECONDS - 5 * HOUR_SECONDS;
	const write = (version: number, options: object) =>
		new MosquittoDb(version, options)
			.client({
				clientId: "device",
				disconnectedAtSeconds: left,
				expirySeconds: 10 * HOUR_SECONDS,
				expiresAtSeconds: left + 10 * HOUR_SECONDS,
			})
			.toBuffer();
	for (const [version, options] of [
		[3, { timeBytes: 4 }],
		[3, { timeBytes: 8 }],
		[6, { hasGap: false }],
		[6, { hasGap: true }],
	] as const) {
		const { sessions } = await importAll(t, open(t, write(version, options)));
		t.equal(sessions[0]?.disconnectedAtMs, left * 1000, `${version}`);
	}
	const expiry = Buffer.alloc(8);
	expiry.writeBigInt64LE(BigInt(left + 10 * HOUR_SECONDS));
	const swapped = write(6, {});
	const at = swapped.indexOf(expiry);
	swapped.subarray(at, at + 8).reverse();
	const { sessions } = await importAll(t, open(t, swapped));
	t.equal(sessions[0]?.disconnectedAtMs, left * 1000, "big-endian");
});

t.test("keeps what MQTT 5 says of messages and subscriptions", async (t) => {
	const properties = Buffer.from(
		"0300046a736f6e2600016100016226000162000163",
		"hex",
	);
	const bytes = new MosquittoDb(6)
		.message({
			id: 1,
			topic: "t",
			payload: "p",
			qos: 1,
			expiresAtSeconds: NOW_SECONDS + 60,
			properties,
		})
		.message({
			id: 2,
			topic: "old",
			payload: "p",
			expiresAtSeconds: NOW_SECONDS - 1,
		})
		.message({
			id: 3,
			topic: "broken",
			payload: "p",
			properties: Buffer.of(0x7f, 1),
		})
		.client({ clientId: "new", expirySeconds: 7200 })
		.clientMessage({ clientId: "new", id: 1, identifier: 9 })
		.clientMessage({ clientId: "new", id: 2 })
		.clientMessage({ clientId: "new", id: 3 })
		.subscription({
			clientId: "new",
			filter: "t/#",
			qos: 2,
			options: 4 | 8,
			identifier: 9,
		})
		.toBuffer();
	const file = open(t, bytes);
	const plan = new StatePlan(file, defaults);
	const store = new StoreClient({
		path: ":memory:",
		clock: new FakeClock(),
		commitIntervalMs: 0,
		lazyIntervalMs: 0,
		onFatal: (error) => t.fail(error.message),
	});
	await store.open();
	t.teardown(() => store.close());
	const never = new Promise<never>(() => {});
	const written = await new StateWriter(
		store,
		file,
		plan,
		NOW_MS,
		never,
	).write();
	t.match(written, { queued: 2, expiredMessages: 1, badProperties: 1 });
	const [session] = await allSessions(store);
	t.match(session, {
		expirySeconds: 7200,
		subscriptions: [
			{
				filter: "t/#",
				qos: 2,
				noLocal: true,
				retainAsPublished: true,
				identifier: 9,
			},
		],
	});
	const page = await store.readQueue(1, -1, 10, 1e6, QueuePart.All);
	t.match(page.messages[0], {
		identifiers: [9],
		expiresAtWallMs: NOW_MS + 60_000,
		message: { expirySeconds: 60 },
	});
	t.same(page.messages[0]?.message.properties, properties);
});

t.test("sessions end when they should have ended", async (t) => {
	const bytes = new MosquittoDb(6)
		.client({
			clientId: "over",
			expirySeconds: 60,
			expiresAtSeconds: NOW_SECONDS - 1,
		})
		.subscription({ clientId: "over", filter: "x" })
		.client({
			clientId: "limited",
			expirySeconds: NEVER,
			expiresAtSeconds: NOW_SECONDS + HOUR_SECONDS,
		})
		.client({ clientId: "endless", expirySeconds: NEVER })
		.client({ clientId: "local.host.cloud", expirySeconds: NEVER })
		.toBuffer();
	const options = {
		longestExpirySeconds: 30 * 24 * HOUR_SECONDS,
		mosquittoExpirySeconds: 2 * HOUR_SECONDS,
		isBridge: (id: string) => id === "local.host.cloud",
	};
	const { plan, sessions } = await importAll(t, open(t, bytes), options);
	t.match(plan.leftOut, { expiredSessions: 1, bridgeSessions: 1 });
	t.strictSame(
		sessions.map(({ clientId, expirySeconds, disconnectedAtMs }) => ({
			clientId,
			expirySeconds,
			disconnectedAtMs,
		})),
		[
			{
				clientId: "limited",
				expirySeconds: 2 * HOUR_SECONDS,
				disconnectedAtMs: NOW_MS - HOUR_SECONDS * 1000,
			},
			{
				clientId: "endless",
				expirySeconds: 2 * HOUR_SECONDS,
				disconnectedAtMs: NOW_MS - 1000,
			},
		],
	);
});

t.test("a message for many queues is stored once", async (t) => {
	const db = new MosquittoDb(6).message({
		id: 1,
		topic: "big",
		payload: "x".repeat(100_000),
	});
	for (let client = 1; client <= 50; client++)
		db.client({ clientId: `c${client}` }).clientMessage({
			clientId: `c${client}`,
			id: 1,
		});
	const file = open(t, db.toBuffer());
	const path = join(t.testdirName, "broker.db");
	const store = new StoreClient({
		path,
		clock: new FakeClock(),
		commitIntervalMs: 0,
		lazyIntervalMs: 0,
		onFatal: (error) => t.fail(error.message),
	});
	await store.open();
	const plan = new StatePlan(file, defaults);
	const never = new Promise<never>(() => {});
	await new StateWriter(store, file, plan, NOW_MS, never).write();
	await store.close();
	const { size } = statSync(path);
	t.ok(size < 300_000, `${size} bytes for 50 queues of 100 KB`);
});

t.test("of a file that is cut off, all before the cut", async (t) => {
	const whole = sample(6).toBuffer();
	const all = [...open(t, whole).chunks()];
	for (let length = 23; length < whole.length; length++) {
		const file = open(t, whole.subarray(0, length));
		const some = [...file.chunks()];
		if (!isDeepStrictEqual(some, all.slice(0, some.length)))
			t.fail(`${length} bytes give what was not there`);
		if (some.length === all.length) t.fail("a cut file gives it all");
		const lost = file.damages.reduce((sum, { bytes }) => sum + bytes, 0);
		if (lost > 120) t.fail(`${lost} bytes lost of ${length}`);
	}
	for (const length of [0, 10, 22])
		t.throws(
			() => open(t, whole.subarray(0, length)),
			length === 0 ? /is empty/ : length < 15 ? /is not/ : /ends within/,
		);
});

for (const version of [3, 6]) {
	t.test(`goes on behind damage in format ${version}`, async (t) => {
		const whole = sample(version).toBuffer();
		const all = [...open(t, whole).chunks()];
		// The length of the second message.
		const place = whole.indexOf("a/2") - (version === 3 ? 30 : 40);
		const broken = Buffer.from(whole);
		broken.fill(0xee, place, place + 12);
		const file = open(t, broken);
		const some = [...file.chunks()];
		t.equal(file.damages.length, 1);
		t.ok(some.length >= all.length - 2, `${some.length} of ${all.length}`);
		const { plan } = await importAll(t, file);
		t.ok(plan.leftOut.missingMessages > 0);
		t.equal(plan.byKey.length, 2);
	});
}

t.test("any damage is survived, and what is read can be stored", async (t) => {
	const whole = sample(6).toBuffer();
	let seed = 7;
	const random = (below: number) => {
		seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
		return Math.floor((seed / 2 ** 31) * below);
	};
	for (let round = 0; round < 500; round++) {
		const broken = Buffer.from(whole);
		for (let hits = 1 + random(4); hits > 0; hits--)
			broken[23 + random(broken.length - 23)] = random(256);
		const file = open(t, broken);
		const { byKey } = new StatePlan(file, defaults);
		if (byKey.length > 5) t.fail(`${byKey.length} sessions of 2`);
		if (round % 50 !== 0) continue;
		const { sessions } = await importAll(t, file);
		t.equal(sessions.length, byKey.length, `round ${round}`);
	}
});

t.test("says what is no database of mosquitto", async (t) => {
	t.throws(() => open(t, Buffer.from("SQLite format 3\0".repeat(9))), /is not/);
	const newer = sample(6).toBuffer();
	newer.writeUInt32BE(7, 19);
	t.throws(() => open(t, newer), /has format 7; formats 2 to 6 can be read/);
});
