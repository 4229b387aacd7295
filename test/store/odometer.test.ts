/** Pages that were written, by cause, and the odometer that survives restarts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Checkpoint } from "../../src/store/checkpoint.ts";
import { openDatabase } from "../../src/store/database.ts";
import { Odometer } from "../../src/store/odometer.ts";
import { Operation, OperationKind } from "../../src/store/operation.ts";
import { causeOf, pageCauses } from "../../src/store/page-counts.ts";
import { Tables } from "../../src/store/tables.ts";
import { message, session } from "../support/store-fixtures.ts";

const PAGE_BYTES = 4096;
const FRAME_BYTES = PAGE_BYTES + 24;
const LOG_HEADER_BYTES = 32;

function open(path: string, written: () => number | null = () => 0) {
	const { database } = openDatabase(path, {
		nativeBinding: null,
		wallMs: 0,
		afterCrash: false,
		resetState: false,
		syncIntervalMs: null,
	});
	const tables = new Tables(database);
	const odometer = new Odometer(database, written);
	/** @returns the frames that are in the log file now */
	const commit = (...operations: Operation[]) => {
		odometer.begin();
		database.exec("BEGIN IMMEDIATE");
		tables.begin();
		for (const operation of operations) {
			odometer.note(operation);
			tables.apply(operation);
		}
		tables.finish();
		odometer.finish();
		database.exec("COMMIT");
		tables.retained.committed();
		odometer.committed();
		if (path === ":memory:") return 0;
		const { length } = readFileSync(`${path}-wal`);
		return (length - LOG_HEADER_BYTES) / FRAME_BYTES;
	};
	return { database, odometer, commit };
}

let lastSequence = 0;

function enqueue(payloadBytes = 10): Operation {
	const operation = new Operation(OperationKind.Enqueue, 1, null);
	operation.sequence = ++lastSequence;
	operation.message = message("a", "x".repeat(payloadBytes));
	operation.value = Buffer.alloc(0);
	return operation;
}

function retain(topic: string, payload: string): Operation {
	const operation = new Operation(OperationKind.PutRetained, 0, null);
	operation.text = topic;
	operation.message = message(topic, payload);
	return operation;
}

function putSession(): Operation {
	const operation = new Operation(OperationKind.PutSession, 1, null);
	operation.session = session(1);
	return operation;
}

function total({ pages }: Odometer): number {
	return pageCauses.reduce((sum, cause) => sum + pages[cause], 0);
}

t.test("every operation has its cause", async (t) => {
	const causes: Record<keyof typeof OperationKind, string> = {
		PutSession: "sessions",
		DeleteSession: "sessions",
		PutSubscription: "sessions",
		DeleteSubscription: "sessions",
		PutReceivedId: "sessions",
		DeleteReceivedId: "sessions",
		PutLane: "sessions",
		DeleteLane: "sessions",
		Enqueue: "queues",
		Replace: "queues",
		MarkSent: "queues",
		MarkReleased: "queues",
		Dequeue: "queues",
		PutRetained: "retained",
		DeleteRetained: "retained",
		PutValue: "other",
	};
	for (const [name, kind] of Object.entries(OperationKind)) {
		const cause = causes[name as keyof typeof OperationKind];
		t.equal(causeOf(new Operation(kind, 1, null)), cause, name);
	}
});

t.test("a batch's pages are the frames that its log got", async (t) => {
	const { database, odometer, commit } = open(join(t.testdir(), "broker.db"));
	t.teardown(() => database.close());
	const before = commit(putSession());
	const alone = { ...odometer.pages };
	t.ok(alone.sessions > 0 && total(odometer) === alone.sessions, "one cause");
	const queued = commit(enqueue()) - before;
	t.equal(odometer.pages.queues, queued, "row and total");
	const retained = commit(retain("a", "1")) - before - queued;
	t.equal(odometer.pages.retained, retained);
	commit(retain("a", "1"));
	t.equal(odometer.pages.retained, retained, "nothing has changed");
	const frames = commit(
		enqueue(),
		enqueue(),
		enqueue(),
		retain("a", "x".repeat(10)),
	);
	const { queues } = odometer.pages;
	const shared = frames - before - queued - retained;
	const share = (queues - queued) / shared;
	t.ok(Math.abs(share - 3 / 4) < 1e-9, "in proportion to the operations");
});

t.test("a log that begins anew is counted from its beginning", async (t) => {
	const { database, odometer, commit } = open(join(t.testdir(), "broker.db"));
	t.teardown(() => database.close());
	commit(enqueue(40 * PAGE_BYTES));
	const before = total(odometer);
	database.pragma("wal_checkpoint(PASSIVE)");
	commit(enqueue());
	t.equal(total(odometer) - before, 2, "not minus some forty");
	commit(enqueue());
	t.equal(total(odometer) - before, 4);
	database.pragma("wal_checkpoint(PASSIVE)");
	commit(enqueue(60 * PAGE_BYTES));
	t.ok(total(odometer) - before >= 64, "longer than the one before");
});

t.test("pages that are copied into the database are counted too", async (t) => {
	const { database, odometer, commit } = open(join(t.testdir(), "broker.db"));
	t.teardown(() => database.close());
	const checkpoint = new Checkpoint(database, (pages) =>
		odometer.checkpointed(pages),
	);
	t.teardown(() => checkpoint.stop());
	for (let i = 0; i < 20; i++) {
		commit(enqueue(100 * PAGE_BYTES));
		checkpoint.afterCommit();
	}
	const { checkpoints, queues } = odometer.pages;
	t.ok(checkpoints > 0 && checkpoints <= queues, `${checkpoints} pages`);
});

t.test("the odometer goes on after a stop and after a kill", async (t) => {
	const path = join(t.testdir(), "broker.db");
	let bytes = 5_000_000;
	const first = open(path, () => bytes);
	t.equal(first.odometer.earlierBytes, 0);
	first.commit(enqueue());
	bytes += 12_288;
	first.odometer.saveLast();
	first.database.close();

	bytes = 700;
	const second = open(path, () => bytes);
	t.equal(second.odometer.earlierBytes, 12_288);
	for (let i = 0; i < 12; i++) {
		second.commit(enqueue(100 * PAGE_BYTES));
		bytes += 100 * PAGE_BYTES;
	}
	second.database.close(); // as a kill: nothing is saved

	const { odometer, database } = open(path, () => bytes);
	t.teardown(() => database.close());
	const kept = odometer.earlierBytes - 12_288;
	t.ok(kept <= 1200 * PAGE_BYTES && kept >= 1000 * PAGE_BYTES, `${kept}`);
});

t.test("a database in memory wears nothing", async (t) => {
	const { database, odometer, commit } = open(":memory:");
	t.teardown(() => database.close());
	commit(enqueue(), retain("a", "1"));
	t.equal(total(odometer), 0);
	odometer.saveLast();
});

t.test("a system that does not count bytes keeps what was known", async (t) => {
	const path = join(t.testdir(), "broker.db");
	let bytes: number | null = 0;
	const first = open(path, () => bytes);
	first.commit(enqueue());
	bytes = 8192;
	first.odometer.saveLast();
	first.database.close();
	bytes = null;
	const second = open(path, () => bytes);
	second.commit(enqueue());
	second.odometer.saveLast();
	second.database.close();
	const third = open(path, () => bytes);
	t.equal(third.odometer.earlierBytes, 8192);
	third.database.close();
});
