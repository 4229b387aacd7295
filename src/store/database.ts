import { mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import Sqlite, { type Database } from "better-sqlite3";
import { backupPath, removeBackup, restoringPath } from "./backup.ts";
import { endCheckpoints, takeCheckpoint } from "./checkpoint-files.ts";
import {
	checkTables,
	errorCode,
	forgetDamage,
	isUnusable,
	signsOfDamage,
	UnusableFile,
} from "./damage-signs.ts";
import { inWords, refuseRival, refuseRivalInMemory } from "./open-error.ts";
import {
	complete,
	exists,
	pruneQuarantine,
	restoredPath,
	setAside,
	syncNames,
	takeOver,
	takeRestored,
	unfinishedPath,
} from "./quarantine.ts";
import { DamagedFile } from "./salvage/damaged-file.ts";
import { scanLog } from "./salvage/log-frames.ts";
import { describeSalvaged } from "./salvage/report.ts";
import { type Salvaged, salvage } from "./salvage/salvage.ts";
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from "./schema.ts";
import { StoreRefusal } from "./store-refusal.ts";

/**
 * Opens the database file: pragmas, lock, migrations, and what to do with a file that
 * is damaged or not ours. Worker thread only.
 */

const CACHE_KIBIBYTES = 4096;
/** The log file is cut back to this when it begins anew; checkpoints come well before. */
const WAL_KEEP_BYTES = 8 * 1024 * 1024;
/** A version further ahead than this is no version but damage. */
const VERSIONS_AHEAD = 1000;

export interface OpenedDatabase {
	readonly database: Database;
	/** What a person should know about how it was opened; empty when nothing. */
	readonly notice: string;
}

export interface OpenOptions {
	/** Path of the SQLite addon; null where the package finds it itself. */
	readonly nativeBinding: string | null;
	readonly wallMs: number;
	/** The process before did not stop in order: its log has to be there. */
	readonly afterCrash: boolean;
	/** Moves the state aside and begins with none. */
	readonly resetState: boolean;
	/** null when every commit is synced: a gap in the log then is damage, not a power cut. */
	readonly syncIntervalMs: number | null;
}

/** @throws StoreRefusal */
export function openDatabase(
	path: string,
	options: OpenOptions,
): OpenedDatabase {
	if (path === ":memory:")
		return { database: openFile(path, options), notice: "" };
	try {
		mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
		refuseRivalInMemory(path);
		takeCheckpoint(path, options.wallMs);
		const notices = [
			finishRestore(path, options),
			options.resetState ? resetState(path, options) : "",
			finishSalvage(path, options),
			describeMissingLog(path, options),
		];
		const { database, notice } = openOrSalvage(path, options);
		notices.push(notice);
		return { database, notice: notices.filter(Boolean).join("; ") };
	} catch (error) {
		throw inWords(error, path);
	}
}

export function openOrSalvage(
	path: string,
	options: OpenOptions,
): OpenedDatabase {
	const opened = openSound(path, options);
	if (typeof opened !== "string") return { database: opened, notice: "" };
	const notice = replaceBySalvaged(path, opened, options);
	return { database: openFile(path, options), notice };
}

/** @returns what is wrong with the file, in words, when it is damaged */
export function openSound(
	path: string,
	options: OpenOptions,
): Database | string {
	const reason = signsOfDamage(path, options.syncIntervalMs === null);
	if (reason !== "") return reason;
	try {
		return openFile(path, options);
	} catch (error) {
		if (!isUnusable(error)) throw error;
		return (error as Error).message;
	}
}

/** @returns what was done, in words */
function replaceBySalvaged(
	path: string,
	reason: string,
	options: OpenOptions,
): string {
	refuseRival(path);
	refuseNewer(path, readVersion(path));
	const salvaged = salvageWithRoom(path, options);
	complete(path);
	const place = takeOver(path, options.wallMs);
	forgetDamage(path);
	return `the state in ${path} could not be used (${reason}): it was moved to ${place}; ${describeSalvaged(salvaged)}`;
}

/** A disk without room for the new file gets it from what earlier accidents left. */
function salvageWithRoom(path: string, options: OpenOptions): Salvaged {
	try {
		return salvageInto(unfinishedPath(path), path, options);
	} catch (error) {
		if (!errorCode(error).startsWith("SQLITE_FULL")) throw error;
		pruneQuarantine(path, 0, null);
		return salvageInto(unfinishedPath(path), path, options);
	}
}

function salvageInto(
	target: string,
	path: string,
	options: OpenOptions,
): Salvaged {
	rmSync(target, { force: true });
	try {
		return salvage(path, target, options.nativeBinding);
	} catch (error) {
		rmSync(target, { force: true });
		throw error;
	}
}

/** A salvage that was cut off when its file was complete. */
export function finishSalvage(path: string, { wallMs }: OpenOptions): string {
	const place = takeOver(path, wallMs);
	if (place === null) return "";
	forgetDamage(path);
	return `a salvage that had been cut off was finished: the damaged state is in ${place}`;
}

/** A restore that was cut off when the backup was in the folder and complete. */
export function finishRestore(path: string, { wallMs }: OpenOptions): string {
	removeBackup(backupPath(path));
	removeBackup(restoringPath(path));
	if (!exists(restoredPath(path))) return "";
	endCheckpoints(path, wallMs);
	const place = takeRestored(path, wallMs);
	forgetDamage(path);
	const before = place === null ? "" : `; the state before it is in ${place}`;
	return `a restore that had been cut off was finished${before}`;
}

export function resetState(path: string, { wallMs }: OpenOptions): string {
	refuseRival(path);
	endCheckpoints(path, wallMs);
	const place = setAside(path, wallMs);
	forgetDamage(path);
	return place === null
		? "there was no state to reset"
		: `the state was reset as asked for: what there was is in ${place}, and the broker starts with empty state`;
}

/** While a broker runs its log is there, and a kill leaves it. */
function describeMissingLog(path: string, { afterCrash }: OpenOptions): string {
	if (!afterCrash || !exists(path) || exists(`${path}-wal`)) return "";
	return `the log of ${path} (${path}-wal) is gone: what was acknowledged since it was last copied into the database may be lost`;
}

function openFile(path: string, options: OpenOptions): Database {
	const { nativeBinding } = options;
	const fileBytes = path === ":memory:" ? 0 : bytesOf(path);
	const database = new Sqlite(path, {
		timeout: 0,
		...(nativeBinding === null ? {} : { nativeBinding }),
	});
	try {
		lock(database);
		const version = readVersionOf(database, path);
		if (!isEmpty(database))
			checkTables(database, version, fileBytes, nativeBinding);
		setPragmas(database);
		migrate(database, version);
		if (path !== ":memory:") syncNames(path);
		return database;
	} catch (error) {
		database.close();
		throw error;
	}
}

function bytesOf(path: string): number {
	return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** From here to close() nobody else can open the file. */
function lock(database: Database): void {
	// First of all: what reads before makes a file of shared memory, for which a full disk has no room.
	database.pragma("locking_mode = EXCLUSIVE");
	// Cannot be switched on later. A file that has it would be written all the same, however full its disk.
	if (isEmpty(database)) database.pragma("auto_vacuum = INCREMENTAL");
	database.exec("BEGIN EXCLUSIVE; COMMIT");
}

function isEmpty(database: Database): boolean {
	const sql = "SELECT count(*) FROM sqlite_schema";
	return database.prepare(sql).pluck().get() === 0;
}

/** @throws UnusableFile when it is not ours, StoreRefusal when it is newer */
export function readVersionOf(database: Database, path: string): number {
	const version = pragmaNumber(database, "user_version");
	const application = pragmaNumber(database, "application_id");
	if (!isEmpty(database) && application !== APPLICATION_ID)
		throw new UnusableFile("it is the database of another program");
	refuseNewer(path, version);
	if (version < 0 || version > SCHEMA_VERSION)
		throw new UnusableFile(`${version} is no version of its format`);
	return version;
}

/** The version of a file that SQLite does not open; 0 when it cannot be read. */
function readVersion(path: string): number {
	const file = new DamagedFile(path, scanLog(`${path}-wal`));
	file.close();
	return file.applicationId === APPLICATION_ID ? file.userVersion : 0;
}

function refuseNewer(path: string, version: number): void {
	if (version <= SCHEMA_VERSION || version > SCHEMA_VERSION + VERSIONS_AHEAD)
		return;
	throw new StoreRefusal(
		"newer",
		`${path} was written by a newer version of the broker (format ${version}, this one knows up to ${SCHEMA_VERSION}): install that version again, or start this one once with --reset-state, which moves the state aside and starts with none`,
	);
}

function setPragmas(database: Database): void {
	database.pragma("journal_mode = WAL");
	database.pragma("synchronous = FULL");
	// Checkpoints are ours to time (checkpoint.ts).
	database.pragma("wal_autocheckpoint = 0");
	database.pragma(`journal_size_limit = ${WAL_KEEP_BYTES}`);
	database.pragma(`cache_size = -${CACHE_KIBIBYTES}`);
	database.pragma("mmap_size = 0");
	database.pragma("temp_store = MEMORY");
	database.pragma("foreign_keys = OFF");
}

/** Limits the file; 0 lifts the limit. Never below what the file has already. */
export function limitFile(database: Database, maxBytes: number): void {
	const pageBytes = pragmaNumber(database, "page_size");
	const pages =
		maxBytes === 0 ? 0xfffffffe : Math.max(1, Math.ceil(maxBytes / pageBytes));
	database.pragma(`max_page_count = ${pages}`);
}

function pragmaNumber(database: Database, name: string): number {
	return Number(database.pragma(name, { simple: true }));
}
