import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
	describeTraces,
	HeartbeatFile,
	heartbeatFile,
} from "../../../src/platform/heartbeat-file.ts";

t.test("the next process reads when the one before lived last", async (t) => {
	const file = new HeartbeatFile(join(t.testdir(), "heartbeat"));
	t.equal(file.read(), null, "there was none");
	file.beat();
	const traces = file.read();
	t.equal(traces?.pid, process.pid);
	t.equal(traces?.words, "");
	t.ok((traces?.silentMs ?? -1) >= 0);
	t.ok((traces?.silentMs ?? Infinity) < 60_000);
	file.remove();
	t.equal(file.read(), null, "an end in order leaves none");
});

t.test("last words are kept until it beats again", async (t) => {
	const file = new HeartbeatFile(join(t.testdir(), "heartbeat"));
	file.beat();
	file.note("the store hangs");
	file.note("and so does the router");
	t.equal(file.read()?.words, "the store hangs; and so does the router");
	file.beat();
	t.equal(file.read()?.words, "");
});

t.test(
	"what cannot be read, or is of another boot, says nothing",
	async (t) => {
		const path = join(t.testdir(), "heartbeat");
		const file = new HeartbeatFile(path);
		for (const text of ["", "\n", "12", "x y\n", "0 0\n", "-4 12\n"]) {
			writeFileSync(path, text);
			t.equal(file.read(), null, JSON.stringify(text));
		}
		writeFileSync(path, "4711 5000\n");
		t.equal(file.read(4000), null);
		t.equal(file.read(6500)?.silentMs, 1500);
	},
);

t.test("a folder that is gone disturbs nobody", async () => {
	const file = new HeartbeatFile("/nonexistent/heartbeat");
	file.beat();
	file.note("x");
	file.remove();
});

t.test(
	"only a folder in memory is used, the first that is named",
	async (t) => {
		const folder = inMemory(t);
		t.equal(
			heartbeatFile({ RUNTIME_DIRECTORY: `${folder}:/run/other` })?.path,
			join(folder, "heartbeat"),
		);
		for (const RUNTIME_DIRECTORY of [
			t.testdir(),
			"",
			"relative",
			"/nonexistent",
		])
			t.equal(heartbeatFile({ RUNTIME_DIRECTORY }), null, RUNTIME_DIRECTORY);
		t.equal(heartbeatFile({}), null);
		t.notOk(existsSync(join(folder, "heartbeat")), "nothing was written");
	},
);

t.test("the words tell being killed from standing still", async (t) => {
	const traces = { pid: 4711, silentMs: 2100, words: "" };
	t.equal(
		describeTraces(traces, 60_000),
		"the process before (pid 4711) did not end in order; its last heartbeat was 2.1 s before this start: it was killed or crashed",
	);
	t.match(
		describeTraces({ ...traces, silentMs: 63_000 }, 60_000),
		/63\.0 s before this start, longer than systemd's watchdog waits \(60 s\): all of it stood still, by SIGSTOP/,
	);
	t.match(describeTraces({ ...traces, silentMs: 63_000 }, 0), /crashed$/);
	t.match(
		describeTraces({ ...traces, words: "the store hangs" }, 60_000),
		/, its last words: the store hangs$/,
	);
});

function inMemory(t: Test): string {
	const folder = mkdtempSync("/dev/shm/broker-");
	t.teardown(() => rmSync(folder, { recursive: true }));
	return folder;
}
