import {
	closeSync,
	openSync,
	readFileSync,
	readSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import Sqlite, { type Database } from "better-sqlite3";
import { exists } from "./quarantine.ts";
import { DamagedFile } from "./salvage/damaged-file.ts";
import { scanLog } from "./salvage/log-frames.ts";
import { APPLICATION_ID, migrate } from "./schema.ts";

/**
 * How a damaged database is recognised at start, without reading all of it: by a note that
 * the process before left, by its header, by its log, by its list of tables, and by
 * SQLite's own check, of the whole file when it is small, else of the tables that a start
 * reads anyway. Damage elsewhere is met while running and noted for the next start.
 * Worker thread only.
 */

const MAGIC = Buffer.from("SQLite format 3\u0000");
/** Files up to this are checked as a whole: 4 ms of work, and less to read than a start may. */
const CHECKED_AS_A_WHOLE_BYTES = 8 * 1024 * 1024;
const READ_AT_START = [
	"session",
	"subscription",
	"received_qos2",
	"queue_total",
	"lane",
	"meta",
];

/** The file is no database of ours, or a damaged one. */
export class UnusableFile extends Error {}

/** SQLite's name of what went wrong (`SQLITE_FULL`); empty for other errors. */
export function errorCode(error: unknown): string {
	return error instanceof Sqlite.SqliteError ? error.code : "";
}

export function isUnusable(error: unknown): boolean {
	const code = errorCode(error);
	return (
		error instanceof UnusableFile ||
		code === "SQLITE_NOTADB" ||
		code.startsWith("SQLITE_CORRUPT")
	);
}

/** Whether an error that ends the worker tells of a damaged file. */
export function isDamage(error: unknown): boolean {
	// A row that is there already: the counts that say where to go on are wrong.
	return isUnusable(error) || errorCode(error).startsWith("SQLITE_CONSTRAINT");
}

/** Tells the next start that the file is damaged. Never throws: the disk may be what is broken. */
export function noteDamage(path: string, words: string): void {
	try {
		writeFileSync(notePath(path), words, { mode: 0o640 });
	} catch {
		// The next start has to find it by itself.
	}
}

export function forgetDamage(path: string): void {
	rmSync(notePath(path), { force: true });
}

/**
 * What is wrong with the file, before SQLite touches it: SQLite deletes the log of a file
 * that is empty or that it does not know. Empty words when nothing is.
 * Never called for a file that this process has open: closing any descriptor of a file
 * drops the locks that the process holds on it.
 * @param isSynced every commit was: where not, a power cut leaves gaps in the log
 */
export function signsOfDamage(path: string, isSynced: boolean): string {
	if (exists(notePath(path))) return readFileSync(notePath(path), "utf8");
	const log = scanLog(`${path}-wal`);
	const header = readHeader(path);
	if (header.length === 0)
		return log.pageCount > 0
			? "the file is missing or empty, and its log is not"
			: "";
	if (!header.subarray(0, MAGIC.length).equals(MAGIC))
		return "it is not a database";
	if (log.isDamaged && isSynced) return "its log was damaged";
	return signsInHeader(header) || signsInFirstPage(path, log);
}

/** What SQLite does not look at before it relies on it, or takes for a file that is read-only. */
function signsInHeader(header: Buffer): string {
	const [write, read, reserved, ...fractions] = header.subarray(18, 24);
	const isSound =
		(write === 1 || write === 2) &&
		write === read &&
		reserved === 0 &&
		fractions.join() === "64,32,32";
	return isSound ? "" : "its header is damaged";
}

function signsInFirstPage(
	path: string,
	log: ReturnType<typeof scanLog>,
): string {
	const file = new DamagedFile(path, log);
	try {
		const page = file.read(1, Buffer.alloc(file.pageBytes));
		if (page === null || file.applicationId !== APPLICATION_ID) return "";
		const isSound =
			page.readUInt32BE(44) === 4 && // the format of its tables
			page.readUInt32BE(52) > 0 && // auto_vacuum
			page.readUInt32BE(56) === 1 && // UTF-8
			page.readUInt32BE(64) === 1; // incremental
		return isSound ? "" : "its header is damaged";
	} finally {
		file.close();
	}
}

/** @throws UnusableFile and SQLite's own errors */
export function checkTables(
	database: Database,
	version: number,
	fileBytes: number,
	nativeBinding: string | null,
): void {
	if (version === 0) throw new UnusableFile("its version is lost");
	let readAtStart: string[] = [];
	const template = new Sqlite(
		":memory:",
		nativeBinding === null ? {} : { nativeBinding },
	);
	try {
		migrate(template, 0, version);
		if (schemaOf(database) !== schemaOf(template))
			throw new UnusableFile("its list of tables is damaged");
		readAtStart = READ_AT_START.filter((table) => hasTable(template, table));
	} finally {
		template.close();
	}
	const checks =
		fileBytes <= CHECKED_AS_A_WHOLE_BYTES
			? ["integrity_check(1)"]
			: readAtStart.map((table) => `quick_check(${table})`);
	for (const check of checks) {
		const words = String(database.pragma(check, { simple: true }));
		if (words !== "ok")
			throw new UnusableFile(words.replace(/\s+/g, " ").slice(0, 200));
	}
}

/** A file of an earlier version has not all of them. */
function hasTable(database: Database, name: string): boolean {
	const sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?";
	return database.prepare(sql).pluck().get(name) === 1;
}

function schemaOf(database: Database): string {
	const sql =
		"SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
	return JSON.stringify(database.prepare(sql).raw().all());
}

/** The first bytes of the file; none when it is missing or empty. */
function readHeader(path: string): Buffer {
	if (!exists(path)) return Buffer.alloc(0);
	const file = openSync(path, "r");
	try {
		const header = Buffer.alloc(100);
		return header.subarray(0, readSync(file, header));
	} finally {
		closeSync(file);
	}
}

/** The note for the next start that the file is damaged. */
export function notePath(path: string): string {
	return `${path}.damaged`;
}
