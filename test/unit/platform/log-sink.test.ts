import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { lineSink } from "../../../src/platform/log-sink.ts";
import { isUnderSystemd } from "../../../src/platform/logger.ts";

function fakeWrite() {
	const state = { room: Infinity, taken: "" };
	const write = (bytes: Buffer) => {
		if (state.room === 0) throw new Error("EAGAIN");
		const part = bytes.subarray(0, state.room);
		state.room -= part.length;
		state.taken += part.toString();
		return part.length;
	};
	return { state, sink: lineSink(write) };
}

t.test("writes whole lines", async (t) => {
	const { state, sink } = fakeWrite();
	sink("one", "info");
	sink("zwei ü", "info");
	t.equal(state.taken, "one\nzwei ü\n");
	t.equal(sink.dropped, 0);
});

t.test(
	"finishes a line that was taken in part before it writes another",
	async (t) => {
		const { state, sink } = fakeWrite();
		state.room = 5;
		sink("first line", "info");
		sink("second line", "info");
		t.equal(sink.dropped, 1);
		state.room = 2;
		sink("third line", "info");
		t.equal(sink.dropped, 2);
		state.room = Infinity;
		sink("fourth line", "info");
		t.equal(state.taken, "first line\nfourth line\n");
		t.equal(sink.dropped, 2);
	},
);

t.test("drops and counts while nothing is taken", async (t) => {
	const { state, sink } = fakeWrite();
	state.room = 0;
	for (let i = 0; i < 1000; i++) sink("lost", "info");
	t.equal(sink.dropped, 1000);
	state.room = Infinity;
	sink("back", "info");
	t.equal(state.taken, "back\n");
});

const LINES = 5000;
/** Logs far more than a pipe or socket holds, then says on standard output that it got through. */
const program = `
import { Logger, stderrSink } from ${JSON.stringify(new URL("../../../src/platform/logger.ts", import.meta.url).href)};
import { systemClock } from ${JSON.stringify(new URL("../../../src/platform/clock.ts", import.meta.url).href)};
const log = new Logger(stderrSink, systemClock, { level: "info", classes: {}, format: "systemd" });
for (let i = 0; i < ${LINES}; i++) log.system.info("line", { i, filler: "x".repeat(200) });
process.stdout.write("through " + stderrSink.dropped + "\\n");
process.stdin.once("data", () => { log.system.info("last"); process.exit(0); });
`;

type Stdio = number | "pipe" | Socket;

function logInto(t: Test, stderr: Stdio) {
	const child = spawn(
		process.execPath,
		["--input-type=module", "--eval", program],
		{
			stdio: ["pipe", "pipe", stderr],
			env: { ...process.env, NODE_OPTIONS: "" }, // not the test runner's loader
		},
	);
	t.teardown(() => child.kill("SIGKILL"));
	const { stdin, stdout } = child;
	if (stdin === null || stdout === null) throw new Error("no pipes");
	const exited = once(child, "exit");
	const through = once(stdout, "data").then(([said]) =>
		Number(String(said).replace("through ", "")),
	);
	const finish = async () => {
		stdin.end("go");
		const [code] = await exited;
		return code;
	};
	return { child, through, finish };
}

/** Every line is whole, and those that are missing were counted. */
function checkLog(t: Test, log: string, dropped: number): void {
	let kept = 0;
	let reported = 0;
	for (const line of log.trimEnd().split("\n")) {
		const lost = /^<4>system log lines were lost: .* lines=(\d+)$/.exec(line);
		if (lost !== null) reported += Number(lost[1]);
		else if (/^<6>system line i=\d+ filler=x{200}$/.test(line)) kept++;
		else t.equal(line, "<6>system last");
	}
	t.equal(kept, LINES - dropped);
	t.equal(reported, dropped);
}

t.test("a reader that does not read costs lines, not time: pipe", async (t) => {
	// a FIFO in the shell's hands: Node's own "pipe" would be a socket
	const child = spawn(
		"sh",
		[
			"-c",
			'"$0" --input-type=module --eval "$1" 2>&1 >&3 | { read -r go <&4; cat; }',
			process.execPath,
			program,
		],
		{ stdio: ["pipe", "pipe", "inherit", "pipe", "pipe"] },
	);
	t.teardown(() => child.kill("SIGKILL"));
	const [stdin, stdout, , said, go] = child.stdio as unknown as [
		Socket,
		Socket,
		null,
		Socket,
		Socket,
	];
	const log = text(stdout);
	const dropped = Number(
		String((await once(said, "data"))[0]).replace("through ", ""),
	);
	t.ok(dropped > LINES / 2 && dropped < LINES, `${dropped} lines dropped`);
	go.end("go\n");
	// the reader empties the pipe before the last lines are logged
	await once(stdout, "readable");
	await new Promise((resolve) => setImmediate(resolve));
	stdin.end("go");
	checkLog(t, await log, dropped);
});

t.test(
	"a reader that does not read costs lines, not time: socket",
	async (t) => {
		const { child, through, finish } = logInto(t, "pipe");
		const stderr = child.stderr;
		if (stderr === null) throw new Error("no stderr");
		const dropped = await through;
		t.ok(dropped > LINES / 4 && dropped < LINES, `${dropped} lines dropped`);
		const log = text(stderr);
		await new Promise((resolve) =>
			stderr.once("readable", () => setImmediate(resolve)),
		);
		t.equal(await finish(), 0);
		checkLog(t, await log, dropped);
	},
);

t.test("nobody at the other end is no reason to fail", async (t) => {
	const { child, through, finish } = logInto(t, "pipe");
	child.stderr?.destroy();
	t.ok((await through) > 0);
	t.equal(await finish(), 0);
});

t.test("a file gets every line, after what it holds", async (t) => {
	const file = join(t.testdir({ "broker.log": "before\n" }), "broker.log");
	const descriptor = openSync(file, "a");
	const { through, finish } = logInto(t, descriptor);
	closeSync(descriptor);
	t.equal(await through, 0);
	t.equal(await finish(), 0);
	const lines = readFileSync(file, "utf8").trimEnd().split("\n");
	t.equal(lines.length, LINES + 2);
	t.equal(lines[0], "before");
});

t.test("knows the journal by device and inode", async (t) => {
	const { dev, ino } = fstatSync(2);
	const env = { JOURNAL_STREAM: `${dev}:${ino}` };
	t.equal(isUnderSystemd(env, fstatSync), true);
	t.equal(isUnderSystemd({}, fstatSync), false);
	t.equal(isUnderSystemd({ JOURNAL_STREAM: "" }, fstatSync), false);
	t.equal(isUnderSystemd({ JOURNAL_STREAM: `${dev}:1` }, fstatSync), false);
	const closed = () => {
		throw new Error("EBADF");
	};
	t.equal(isUnderSystemd(env, closed), false);
});
