/** `broker doctor` on the real machine: as root, since it mounts in a namespace of its own. About 15 s. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { spawnBroker } from "../support/spawn-broker.ts";
import { command } from "./admin-commands.ts";
import { changeConfig } from "./config-file.ts";
import { allFiles } from "./left-state.ts";
import { type RunOptions, runBroker, sources } from "./run-broker.ts";

const NOBODY = 65_534;

interface Report {
	readonly exitCode: number;
	readonly findings: readonly {
		readonly id: string;
		readonly level: string;
		readonly what: string;
		readonly fix?: string;
	}[];
}

/** What the doctor finds with these keys. */
async function examine(
	t: Test,
	keys: Record<string, string>,
	options: RunOptions = {},
): Promise<Report> {
	const sets = Object.entries({
		"listener.tcp.default": "127.0.0.1:0",
		...keys,
	}).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
	const args = ["doctor", "--json", ...sets];
	const { code, stdout, stderr } = await runBroker(t, args, options);
	t.equal(stderr, "");
	const report: Report = JSON.parse(stdout);
	t.equal(code, report.exitCode);
	return report;
}

function find({ findings }: Report, id: string) {
	return findings.find((each) => each.id === id);
}

/** A folder that every user may enter, unlike that of the test. */
async function publicFolder(t: Test): Promise<string> {
	const folder = await mkdtemp(join(tmpdir(), "broker-doctor-"));
	t.teardown(() => rm(folder, { recursive: true, force: true }));
	chmodSync(folder, 0o755);
	return folder;
}

t.test("a broker that runs well", async (t) => {
	const broker = await spawnBroker(t);
	const { code, stdout } = await command(t, broker, ["doctor", "--json"]);
	const report: Report = JSON.parse(stdout);
	t.equal(code, report.exitCode);
	t.match(find(report, "running"), { level: "ok", what: `pid ${broker.pid}` });
	t.match(find(report, "state"), { level: "ok", what: broker.dataDir });
	t.match(find(report, "ports") ?? find(report, "exposure"), { level: "ok" });
	const ids = report.findings.map(({ id }) => id);
	for (const id of ["not-running", "port-in-use", "config-mistake"])
		t.notOk(ids.includes(id), id);

	changeConfig(broker, { max_qos: "7" });
	const wrong = await command(t, broker, ["doctor"]);
	t.equal(wrong.code, 2);
	t.match(
		wrong.stdout.replaceAll(/\s+/g, " "),
		/PROBLEM .*broker\.conf:\d+: max_qos = 7: must be a whole number from 0 to 2/,
	);
	t.match(wrong.stdout, /-> (sudo)?edit .*broker\.conf && broker config check/);
});

t.test("a broker that hangs is not waited for", async (t) => {
	const broker = await spawnBroker(t);
	process.kill(broker.pid, "SIGSTOP");
	const { code, stdout } = await command(t, broker, ["doctor", "--json"]);
	process.kill(broker.pid, "SIGCONT");
	t.ok(code !== null, "it has ended by itself");
	t.match(find(JSON.parse(stdout), "not-running"), {
		what: /no answer within/,
	});
});

t.test(
	"the state of a killed broker is looked at, and left as it is",
	async (t) => {
		const broker = await spawnBroker(t);
		await broker.kill("SIGKILL");
		const before = allFiles(broker.dataDir);
		t.ok("broker.db-wal" in before, "there is a log that SQLite would take in");
		const { stdout } = await command(t, broker, ["doctor", "--json"]);
		t.match(find(JSON.parse(stdout), "state"), {
			level: "ok",
			what: /broker\.db: .* and a log of [1-9]/,
		});
		t.strictSame(allFiles(broker.dataDir), before);
	},
);

t.test("a port that another process has", async (t) => {
	const script =
		"const s = require('net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))";
	const other = spawn(process.execPath, ["-e", script], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	t.teardown(() => other.kill("SIGKILL"));
	const [line] = await once(other.stdout, "data");
	const port = String(line).trim();
	const report = await examine(t, {
		"listener.tcp.default": `127.0.0.1:${port}`,
		data_dir: join(t.testdir(), "data"),
	});
	t.equal(report.exitCode, 2);
	t.match(find(report, "port-in-use"), {
		level: "problem",
		what: `(pid ${other.pid})`,
		fix: `kill ${other.pid}`,
	});
});

t.test("folders and files of another user", async (t) => {
	const folder = await publicFolder(t);
	const dataDir = join(folder, "data");
	mkdirSync(dataDir, { mode: 0o755 });
	const options = { uid: NOBODY, cwd: "/" };
	const foreign = await examine(t, { data_dir: dataDir }, options);
	t.match(find(foreign, "data-dir-not-writable"), {
		level: "problem",
		fix: /^sudo chown -R \w+: .*data$/,
	});
	chownSync(dataDir, NOBODY, NOBODY);
	chmodSync(dataDir, 0o750);
	writeFileSync(join(dataDir, "broker.db"), "", { mode: 0o640 });
	const left = await examine(t, { data_dir: dataDir }, options);
	t.match(find(left, "state-wrong-owner"), { what: /broker\.db \(owner 0:0/ });
	chownSync(join(dataDir, "broker.db"), NOBODY, NOBODY);
	const well = await examine(t, { data_dir: dataDir }, options);
	t.match(find(well, "permissions"), { level: "ok" });
});

/** Runs the doctor where `script` has mounted something on `$1`, in a namespace of its own. */
async function mounted(t: Test, script: string): Promise<Report> {
	const folder = join(t.testdir({ data: {} }), "data");
	const entry = process.env.TEST_BUNDLE || sources;
	const child = spawn(
		"unshare",
		[
			...["-m", "sh", "-ec", `${script}; shift; exec "$@"`, "sh", folder],
			...[process.execPath, entry, "doctor", "--json"],
			...["--set", "listener.tcp.default=127.0.0.1:0"],
			...["--set", `data_dir=${folder}`],
		],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	let text = "";
	child.stdout.setEncoding("utf8").on("data", (part) => {
		text += part;
	});
	const [code] = await once(child, "close");
	const report: Report = JSON.parse(text);
	t.equal(code, report.exitCode);
	return report;
}

t.test("a read-only mount", async (t) => {
	const script = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"';
	const report = await mounted(t, script);
	t.equal(report.exitCode, 2);
	t.match(find(report, "mount-read-only"), {
		level: "problem",
		fix: /^mount -o remount,rw \/.*data$/,
	});
});

t.test("a full file system in memory, without inodes", async (t) => {
	const script =
		'mount -t tmpfs -o size=40m,nr_inodes=50 tmpfs "$1"; head -c 30m /dev/zero >"$1/filler"';
	const report = await mounted(t, script);
	t.equal(report.exitCode, 2);
	t.match(find(report, "disk-full"), {
		what: /^10\.0 MB of 40\.0 MB are free/,
	});
	t.match(find(report, "inodes-used-up"), { what: /of 50 inodes/ });
	t.match(find(report, "file-system-volatile"), { level: "warning" });
});
