import {
	cpSync,
	existsSync,
	readdirSync,
	readFileSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import type { StoreClient } from "../../src/store/store-client.ts";
import type { StoreRefusal } from "../../src/store/store-refusal.ts";
import { damage, damageNames } from "../support/damage.ts";
import {
	completeState,
	countState,
	damagedStore,
	makeState,
	openDamaged,
	SHARERS,
} from "../support/damaged-state.ts";
import {
	committed,
	entry,
	message,
	session,
} from "../support/store-fixtures.ts";

/** Single damages and what exactly becomes of them, and stores that cannot be opened. */

t.test("every row is saved when no page with rows is damaged", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	for (const what of ["a garbage header", "the first page zeroed"]) {
		const folder = join(t.testdirName, what);
		cpSync(dirname(path), folder, { recursive: true });
		const damaged = join(folder, "broker.db");
		t.equal(damage(damaged, damageNames.indexOf(what)), what);
		const { counts, notices, starts } = await openDamaged(damaged);
		t.strictSame(counts, completeState, what);
		t.equal(starts, 1);
		t.match(notices, [/broker\.db could not be used \(it is not a database\)/]);
		const { sessions, subscriptions, queued, retained } = counts;
		t.match(
			notices[0],
			`saved: ${sessions} sessions, ${subscriptions} subscriptions, ${queued} queued messages, ${retained} retained messages`,
		);
		t.match(notices[0], "lost: nothing");
	}
});

t.test("a frame destroyed in the log costs its own page only", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	const log = readFileSync(`${path}-wal`);
	// The second commit; SQLite alone would give up all that came after it.
	log.fill(0, 32 + 2 * 4120, 32 + 3 * 4120);
	writeFileSync(`${path}-wal`, log);
	const { counts, notices } = await openDamaged(path);
	t.match(notices, [/its log was damaged/]);
	t.strictSame(counts, completeState, "later frames hold the page again");
});

t.test("a bit that flips inside a message costs that message", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	const file = readFileSync(path);
	// Old copies of rows may lie about in their pages: a bit in each.
	for (const text of ["to/5/0/3xxx", "shared/7shared", "kept/50"])
		for (let at = file.indexOf(text); at >= 0; at = file.indexOf(text, at + 1))
			file[at + 20] = (file[at + 20] ?? 0) ^ 1;
	writeFileSync(path, file);
	const { counts, notices, starts } = await openDamaged(path);
	const { queued, retained } = completeState;
	t.strictSame(counts, {
		...completeState,
		queued: queued - 1 - SHARERS,
		retained: retained - 11, // kept/50, and kept/500 to 509
	});
	t.equal(starts, 2, "it was met while running");
	t.match(notices, [/message is damaged/]);
});

t.test("rows that were deleted do not come back", async (t) => {
	const path = join(t.testdir(), "broker.db");
	const store = damagedStore(path);
	await store.open();
	for (let key = 1; key <= 30; key++) {
		store.putSession(session(key), null);
		for (let sequence = 1; sequence <= 50; sequence++)
			store.enqueue(
				key,
				sequence,
				message(`own/${sequence}`),
				entry(),
				0,
				null,
			);
	}
	await committed(store);
	for (let key = 1; key <= 29; key++) store.deleteSession(key, null);
	await store.close();
	damage(path, damageNames.indexOf("the first page zeroed"));
	const { counts } = await openDamaged(path);
	t.equal(counts.sessions, 1);
	t.equal(counts.queued, 50);
});

t.test(
	"damage met while running ends the store, and the next start saves the rest",
	async (t) => {
		const path = join(t.testdir(), "broker.db");
		const store = damagedStore(path);
		await store.open();
		store.putSession(session(1), null);
		const payload = "x".repeat(100_000);
		for (let sequence = 1; sequence <= 100; sequence++)
			store.enqueue(1, sequence, message("large", payload), entry(), 0, null);
		await store.close();
		destroyLeafOf(path, "large");

		const fatal = Promise.withResolvers<Error>();
		const second = damagedStore(path, { onFatal: fatal.resolve });
		await second.open();
		await t.rejects(countState(second), "too large to be checked at start");
		t.match((await fatal.promise).message, /worker thread died: .*malformed/);
		t.match(readFileSync(`${path}.damaged`, "utf8"), "malformed");

		const { counts, notices } = await openDamaged(path);
		t.equal(counts.sessions, 1);
		t.ok(
			counts.queued > 50 && counts.queued < 100,
			`${counts.queued} are left`,
		);
		t.match(notices, [/malformed.*lost: about \d+ queued messages/]);
		t.notOk(existsSync(`${path}.damaged`));
	},
);

t.test(
	"a salvage that was cut off is finished by the next start",
	async (t) => {
		const path = await makeState(t, t.testdir(), false);
		const { counts } = await openDamaged(path);
		cpSync(path, `${path}.salvaged`);
		writeFileSync(path, "damaged");
		const next = await openDamaged(path);
		t.strictSame(next.counts, counts);
		t.match(next.notices, [/cut off was finished: .*quarantine/]);
		writeFileSync(`${path}.salvage`, "unfinished");
		t.strictSame((await openDamaged(path)).counts, counts);
	},
);

t.test("the quarantine keeps the newest three", async (t) => {
	const path = join(t.testdir(), "broker.db");
	for (let number = 1; number <= 5; number++) {
		writeFileSync(path, `garbage ${number}`);
		await openDamaged(path);
	}
	const folder = join(dirname(path), "quarantine");
	const kept = readdirSync(folder).sort();
	t.strictSame(
		kept.map((name) => readFileSync(join(folder, name), "utf8")),
		["garbage 3", "garbage 4", "garbage 5"],
	);
});

t.test("a reset moves the state aside and deletes nothing", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	const notices: string[] = [];
	const store = damagedStore(path, {
		resetState: true,
		onNotice: (words) => notices.push(words),
	});
	await store.open();
	t.equal((await countState(store)).sessions, 0);
	await store.close();
	t.match(notices, [/reset as asked for: .*set-aside/]);
	const place = /what there was is in (\S+),/.exec(notices[0] ?? "")?.[1] ?? "";
	const { counts } = await openDamaged(place);
	t.strictSame(counts, completeState);
});

t.test("a missing log is told after a kill", async (t) => {
	const path = await makeState(t, t.testdir(), false);
	damage(path, damageNames.indexOf("no log"));
	const { notices, counts } = await openDamaged(path);
	t.match(notices, [/broker\.db-wal\) is gone/]);
	t.equal(counts.sessions, completeState.sessions);
});

t.test("a refused store can go on in memory", async (t) => {
	const folder = t.testdir({ "a-file": "" });
	const path = join(folder, "a-file", "broker.db");
	const refusals: StoreRefusal[] = [];
	const store: StoreClient = damagedStore(path, {
		onRefused: (refusal) => {
			refusals.push(refusal);
			return 1024 * 1024;
		},
	});
	await store.open();
	t.teardown(() => store.close());
	t.equal(refusals[0]?.kind, "unusable");
	t.match(refusals[0]?.message, path);
	store.putSession(session(1), null);
	await committed(store);
	t.equal((await countState(store)).sessions, 1);
	await t.rejects(damagedStore(path).open(), /cannot open the database/);
});

/** Fills a page that holds rows with this topic with garbage. */
function destroyLeafOf(path: string, topic: string): void {
	const bytes = readFileSync(path);
	for (let page = 4096; page < bytes.length; page += 4096) {
		const content = bytes.subarray(page, page + 4096);
		if (content[0] !== 13 || !content.includes(topic)) continue;
		content.fill(0xee);
		break;
	}
	writeFileSync(path, bytes);
}
