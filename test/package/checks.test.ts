/** What the packages' scripts read off a database, with a shell's means only. */
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Sqlite from "better-sqlite3";
import t from "tap";
import { migrate, SCHEMA_VERSION } from "../../src/store/schema.ts";
import { projectRoot } from "./packages.ts";

const checks = join(projectRoot, "packaging/common/checks.sh");

t.test("the format of a file, and of none", (t) => {
	const path = join(t.testdir(), "broker.db");
	writeOld(path);
	t.equal(formatOf(path), 1);
	const database = new Sqlite(path);
	database.pragma("user_version = 70000");
	database.close();
	t.equal(formatOf(path), 70_000, "all of its four bytes count");
	writeFileSync(path, "");
	t.equal(formatOf(path), 0);
	t.end();
});

t.test("the format that only the log has yet", (t) => {
	const folder = t.testdir();
	const path = join(folder, "broker.db");
	writeOld(path);
	const database = new Sqlite(path);
	database.pragma("journal_mode = WAL");
	database.pragma("wal_autocheckpoint = 0");
	migrate(database, 1);
	// As a running broker has it: the file as it was, and everything in the log.
	const copy = join(folder, "copy.db");
	copyFileSync(path, copy);
	copyFileSync(`${path}-wal`, `${copy}-wal`);
	database.close();
	t.equal(readFileSync(copy).readUInt32BE(60), 1);
	t.equal(formatOf(copy), SCHEMA_VERSION);

	const log = readFileSync(`${copy}-wal`);
	log.writeUInt32BE(log.readUInt32BE(16) + 1, 16); // the salt of the next round
	writeFileSync(`${copy}-wal`, log);
	t.equal(formatOf(copy), 1, "frames of an earlier round do not count");
	t.ok(statSync(`${copy}-wal`).size > 0);
	t.end();
});

function writeOld(path: string): void {
	const fixture = join(projectRoot, "test/fixtures/state-version-1.db.gz");
	writeFileSync(path, gunzipSync(readFileSync(fixture)));
}

function formatOf(path: string): number {
	const script = `set -e; . '${checks}'; database_format '${path}'`;
	return Number(execFileSync("sh", ["-c", script], { encoding: "utf8" }));
}
