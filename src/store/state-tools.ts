import { renameSync, statSync } from "node:fs";
import Sqlite, { type Database } from "better-sqlite3";
import { removeBackup } from "./backup.ts";
import { endCheckpoints } from "./checkpoint-files.ts";
import {
	checkTables,
	forgetDamage,
	isUnusable,
	signsOfDamage,
} from "./damage-signs.ts";
import { readVersionOf } from "./database.ts";
import { inWords, refuseRival } from "./open-error.ts";
import { exists, restoredPath, setAside, takeRestored } from "./quarantine.ts";
import { problemsOf } from "./state-check.ts";
import { StoreRefusal } from "./store-refusal.ts";
import type {
	StateCheck,
	StateDescription,
	ToolAnswer,
	ToolRequest,
} from "./worker-messages.ts";

/**
 * What is done with the state of a broker that does not run: looked at, checked, copied,
 * put in its place. SQLite's lock keeps a broker from starting meanwhile. Worker thread
 * only; the worker of a running broker never comes here with its own file.
 */

const LARGEST = 5;
/** Before it a session had one queue. */
const FORMAT_WITH_LANES = 2;

export class StateTools {
	/** Open, and with that locked, while somebody copies the file. */
	#held: Database | null = null;

	/** @throws StoreRefusal */
	run(request: ToolRequest): ToolAnswer {
		const { tool, path } = request;
		try {
			switch (tool) {
				case "describe":
					return describe(request);
				case "check":
					return check(request);
				case "hold":
					return this.#hold(request);
				case "release":
					this.#held?.close();
					this.#held = null;
					return null;
				case "restore":
					return restore(request);
				case "reset":
					refuseRival(path);
					return aside(path, request.wallMs);
			}
		} catch (error) {
			throw inWords(error, path);
		}
	}

	/** Afterwards the file holds everything, and stays as it is until it is released. */
	#hold(request: ToolRequest): ToolAnswer {
		const database = openExisting(request);
		try {
			readVersionOf(database, request.path);
			database.pragma("wal_checkpoint(TRUNCATE)");
		} catch (error) {
			database.close();
			throw error;
		}
		this.#held = database;
		return null;
	}
}

function withDatabase<T>(
	request: ToolRequest,
	work: (database: Database) => T,
): T {
	const database = openExisting(request);
	try {
		readVersionOf(database, request.path);
		return work(database);
	} finally {
		database.close();
	}
}

/** Locked, and neither migrated nor changed otherwise. */
function openExisting({
	path,
	nativeBinding,
	isSynced,
}: ToolRequest): Database {
	if (!exists(path) && !exists(`${path}-wal`))
		throw new StoreRefusal("unusable", `there is no state: no file ${path}`);
	refuseRival(path);
	// Before SQLite opens it: it throws a log away that it does not know.
	const damage = signsOfDamage(path, isSynced);
	if (damage !== "")
		throw new StoreRefusal(
			"unusable",
			`${path} is damaged (${damage}): start the broker, which saves what can be read, or restore a backup`,
		);
	const database = new Sqlite(path, {
		timeout: 0,
		...(nativeBinding === null ? {} : { nativeBinding }),
	});
	try {
		database.pragma("locking_mode = EXCLUSIVE");
		database.exec("BEGIN EXCLUSIVE; COMMIT");
	} catch (error) {
		database.close();
		throw error;
	}
	return database;
}

function check(request: ToolRequest): StateCheck {
	const { path, isSynced } = request;
	if (exists(path)) {
		refuseRival(path);
		const damage = signsOfDamage(path, isSynced);
		if (damage !== "") return { problems: [damage] };
	}
	try {
		return withDatabase(request, (database) => {
			const version = checkShape(database, request);
			return { problems: problemsOf(database, version) };
		});
	} catch (error) {
		if (!isUnusable(error)) throw error;
		return { problems: [(error as Error).message] };
	}
}

/** @returns the version of its tables */
function checkShape(database: Database, request: ToolRequest): number {
	const version = readVersionOf(database, request.path);
	checkTables(
		database,
		version,
		Number.POSITIVE_INFINITY,
		request.nativeBinding,
	);
	return version;
}

function describe(request: ToolRequest): StateDescription {
	const bytesOf = (file: string) =>
		statSync(file, { throwIfNoEntry: false })?.size ?? 0;
	// Before it is opened, which brings the log into the file.
	const files = {
		bytes: bytesOf(request.path),
		logBytes: bytesOf(`${request.path}-wal`),
	};
	const contents = withDatabase(request, describeContents);
	return { ...files, ...contents };
}

function describeContents(
	database: Database,
): Omit<StateDescription, "bytes" | "logBytes"> {
	const number = (sql: string) => Number(database.prepare(sql).pluck().get());
	const count = (table: string) => number(`SELECT count(*) FROM ${table}`);
	const pragma = (name: string) =>
		Number(database.pragma(name, { simple: true }));
	const format = pragma("user_version");
	const lanes =
		format < FORMAT_WITH_LANES
			? ""
			: "UNION ALL SELECT queue, session FROM lane";
	const owners = `SELECT key AS queue, key AS session FROM session ${lanes}`;
	return {
		format,
		unusedBytes: pragma("freelist_count") * pragma("page_size"),
		sessions: count("session"),
		subscriptions: count("subscription"),
		queuedMessages: number(
			"SELECT coalesce(sum(messages), 0) FROM queue_total",
		),
		queuedBytes: number("SELECT coalesce(sum(bytes), 0) FROM queue_total"),
		retainedMessages: count("retained"),
		retainedBytes: number("SELECT coalesce(sum(bytes), 0) FROM retained"),
		largest: database
			.prepare(
				`SELECT client_id AS clientId, sum(messages) AS queuedMessages, sum(bytes) AS queuedBytes
				FROM queue_total JOIN (${owners}) AS owner ON owner.queue = queue_total.queue
				JOIN session ON session.key = owner.session
				WHERE messages > 0 GROUP BY session.key ORDER BY sum(bytes) DESC LIMIT ${LARGEST}`,
			)
			.all() as StateDescription["largest"],
	};
}

/**
 * Puts the file at `source`, a copy made for this next to the database, into its place.
 * @returns where the state is now that was there; null when there was none
 */
function restore(request: ToolRequest): string | null {
	const { path, source, wallMs } = request;
	refuseRival(path);
	const copy = { ...request, path: source, isSynced: false };
	try {
		const { problems } = check(copy);
		if (problems.length > 0)
			throw new StoreRefusal(
				"unusable",
				`it is no sound state of a broker, nothing was changed: ${problems.slice(0, 3).join("; ")}`,
			);
	} catch (error) {
		removeBackup(source);
		throw error;
	}
	removeBackup(restoredPath(path));
	refuseRival(path); // the check may have taken minutes
	endCheckpoints(path, wallMs);
	renameSync(source, restoredPath(path));
	const place = takeRestored(path, wallMs);
	forgetDamage(path);
	return place;
}

function aside(path: string, wallMs: number): string | null {
	endCheckpoints(path, wallMs);
	const place = setAside(path, wallMs);
	forgetDamage(path);
	return place;
}
