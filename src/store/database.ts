import {
	closeSync,
	mkdirSync,
	openSync,
	readFileSync,
	readSync,
	renameSync,
	statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import Sqlite, { type Database } from "better-sqlite3";
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from "./schema.ts";

/**
 * Opens the database file: pragmas, lock, migrations, and what to do with a file that
 * is none. Worker thread only.
 */

const MAGIC = Buffer.from("SQLite format 3\u0000");
const CACHE_KIBIBYTES = 4096;
/** The log file is cut back to this when it begins anew; checkpoints come well before. */
const WAL_KEEP_BYTES = 8 * 1024 * 1024;

export interface OpenedDatabase {
	readonly database: Database;
	/** What a person should know about how it was opened; empty when nothing. */
	readonly notice: string;
}

/** The file is no database of ours, or a damaged one. */
class UnusableFile extends Error {}

/**
 * @param nativeBinding path of the SQLite addon; null where the package finds it itself
 * @throws Error naming the file and what to do
 */
export function openDatabase(
	path: string,
	nativeBinding: string | null,
	wallMs: number,
): OpenedDatabase {
	if (path === ":memory:")
		return { database: openFile(path, nativeBinding), notice: "" };
	try {
		mkdirSync(dirname(path), { recursive: true });
		checkHeader(path);
		return { database: openFile(path, nativeBinding), notice: "" };
	} catch (error) {
		if (!isUnusable(error)) throw inWords(error, path);
		const reason = (error as Error).message;
		try {
			const place = quarantine(path, wallMs);
			const notice = `the state in ${path} could not be used (${reason}): it was moved to ${place}, and the broker starts with empty state`;
			return { database: openFile(path, nativeBinding), notice };
		} catch (later) {
			throw inWords(later, path);
		}
	}
}

/**
 * Before SQLite touches anything: it would delete the log of a file it does not know.
 * Never done to a file that this process has open: closing any descriptor of a file
 * drops the locks that the process holds on it.
 */
function checkHeader(path: string): void {
	if (!exists(path)) return;
	const file = openSync(path, "r");
	const header = Buffer.alloc(MAGIC.length);
	const length = readSync(file, header);
	closeSync(file);
	if (length > 0 && !header.equals(MAGIC))
		throw new UnusableFile("it is not a database");
}

function openFile(path: string, nativeBinding: string | null): Database {
	const database = new Sqlite(path, {
		timeout: 0,
		...(nativeBinding === null ? {} : { nativeBinding }),
	});
	try {
		lock(database);
		const version = checkVersion(database, path);
		setPragmas(database);
		migrate(database, version);
		return database;
	} catch (error) {
		database.close();
		throw error;
	}
}

/** From here to close() nobody else can open the file. */
function lock(database: Database): void {
	// Has to be chosen before anything is written: it cannot be switched on later.
	database.pragma("auto_vacuum = INCREMENTAL");
	database.pragma("locking_mode = EXCLUSIVE");
	database.exec("BEGIN EXCLUSIVE; COMMIT");
}

function checkVersion(database: Database, path: string): number {
	const version = pragmaNumber(database, "user_version");
	const application = pragmaNumber(database, "application_id");
	const tables = database
		.prepare("SELECT count(*) FROM sqlite_schema")
		.pluck()
		.get();
	if (tables !== 0 && application !== APPLICATION_ID)
		throw new UnusableFile("it is the database of another program");
	if (version > SCHEMA_VERSION)
		throw new Error(
			`${path} was written by a newer version of the broker (format ${version}, this one knows up to ${SCHEMA_VERSION}): install that version again, or move the file away to start with empty state`,
		);
	return version;
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

/** SQLite's name of what went wrong (`SQLITE_FULL`); empty for other errors. */
export function errorCode(error: unknown): string {
	return error instanceof Sqlite.SqliteError ? error.code : "";
}

function isUnusable(error: unknown): boolean {
	const code = errorCode(error);
	return (
		error instanceof UnusableFile ||
		code === "SQLITE_NOTADB" ||
		code.startsWith("SQLITE_CORRUPT")
	);
}

/** Moves the file and its companions aside. @returns where the file is now */
function quarantine(path: string, wallMs: number): string {
	const folder = join(dirname(path), "quarantine");
	mkdirSync(folder, { recursive: true });
	const time = new Date(wallMs).toISOString().replace(/[:.]/g, "-");
	const place = join(folder, `${basename(path)}.${time}`);
	for (const suffix of ["", "-wal", "-shm", "-journal"])
		if (exists(path + suffix)) renameSync(path + suffix, place + suffix);
	return place;
}

function exists(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function inWords(error: unknown, path: string): Error {
	const { message } = error as Error;
	if (message.includes(path)) return error as Error;
	const code = errorCode(error);
	const words = code.startsWith("SQLITE_BUSY")
		? `another broker uses ${path}${holder(path)}: stop it, or give this one another data_dir`
		: `cannot open the database ${path}: ${message}${advice(code)}`;
	return new Error(words, { cause: error });
}

function advice(code: string): string {
	if (code.startsWith("SQLITE_CANTOPEN") || code.startsWith("SQLITE_READONLY"))
		return "; the folder and the file must be writable for the user the broker runs as";
	if (code.startsWith("SQLITE_FULL") || code.startsWith("SQLITE_IOERR"))
		return "; look at the free space and the health of the disk";
	return "";
}

/** Who holds a lock on the file, as far as Linux tells. */
function holder(path: string): string {
	try {
		const { ino } = statSync(path);
		for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
			const [, , , , pid, file] = line.trim().split(/\s+/);
			if (file?.split(":")[2] === String(ino)) return ` (process ${pid})`;
		}
	} catch {
		// No /proc, or not ours to read: the words do without.
	}
	return "";
}
