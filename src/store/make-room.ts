import type { Database } from "better-sqlite3";
import type { Ballast } from "./ballast.ts";
import { readOperation } from "./batch-codec.ts";
import { ByteReader } from "./byte-writer.ts";
import { mayPass } from "./commit-trouble.ts";
import { Operation, OperationKind } from "./operation.ts";
import type { Tables } from "./tables.ts";
import type { CommitRequest } from "./worker-messages.ts";

/**
 * A full disk: what the batches that could not be committed would remove is removed
 * before them, in a transaction of its own. Doing it again in its place changes nothing.
 * Worker thread only.
 */

/** What a held batch may need beside its own size, in bytes. */
const MARGIN_BYTES = 1024 * 1024;

/** @returns whether the held batches are worth another try */
export function makeRoom(
	database: Database,
	tables: Tables,
	ballast: Ballast,
	held: readonly CommitRequest[],
): boolean {
	const isAtLimit =
		pragma(database, "page_count") >= pragma(database, "max_page_count");
	const removals = removalsOf(held);
	if (removals.length > 0) {
		if (!isAtLimit) ballast.release();
		remove(database, tables, removals);
	}
	ballast.restore();
	const heldBytes = held.reduce((sum, { length }) => sum + length, 0);
	const neededBytes = 2 * heldBytes + MARGIN_BYTES;
	const unusedBytes =
		pragma(database, "freelist_count") * pragma(database, "page_size");
	if (isAtLimit || unusedBytes >= neededBytes) return true;
	// Otherwise they would take what the ballast gave away.
	return !ballast.isOwed;
}

/**
 * Those that nothing before them in the held batches would undo or be undone by: an
 * entry that is enqueued and removed there would come back.
 */
function removalsOf(held: readonly CommitRequest[]): Operation[] {
	const removals: Operation[] = [];
	const entries = new Set<string>();
	const sessions = new Set<number>();
	const ended = new Set<number>();
	const topics = new Set<string>();
	for (const { memory, length } of held) {
		const reader = new ByteReader(memory, 0, length);
		while (!reader.isAtEnd) {
			const operation = readOperation(reader);
			const { kind, key, sequence } = operation;
			const topic = operation.message?.topic ?? operation.text ?? "";
			switch (kind) {
				case OperationKind.Dequeue:
					if (ended.has(key)) break;
					for (let at = sequence; at <= sequence + operation.number; at++)
						if (!entries.has(`${key}/${at}`)) removals.push(dequeue(key, at));
					break;
				case OperationKind.DeleteSession:
				case OperationKind.DeleteLane:
					if (!ended.has(key) && !sessions.has(key)) removals.push(operation);
					ended.add(key);
					break;
				case OperationKind.DeleteRetained:
					if (!topics.has(topic)) removals.push(operation);
					break;
				case OperationKind.PutRetained:
					topics.add(topic);
					break;
				case OperationKind.Enqueue:
				case OperationKind.Replace:
					entries.add(`${key}/${sequence}`);
					sessions.add(key);
					break;
				default:
					sessions.add(key);
			}
		}
	}
	return removals;
}

function dequeue(key: number, sequence: number): Operation {
	const operation = new Operation(OperationKind.Dequeue, key, null);
	operation.sequence = sequence;
	return operation;
}

function remove(
	database: Database,
	tables: Tables,
	removals: readonly Operation[],
): void {
	try {
		database.exec("BEGIN IMMEDIATE");
		tables.begin();
		for (const operation of removals) tables.apply(operation);
		tables.finish();
		database.exec("COMMIT");
		tables.retained.committed();
		// The log begins anew, in the room that it has.
		database.pragma("wal_checkpoint(RESTART)");
	} catch (error) {
		tables.rolledBack();
		if (database.inTransaction) database.exec("ROLLBACK");
		if (!mayPass(error)) throw error;
	}
}

function pragma(database: Database, name: string): number {
	return Number(database.pragma(name, { simple: true }));
}
