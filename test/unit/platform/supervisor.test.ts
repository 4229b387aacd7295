import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
	noSupervisor,
	SystemdSupervisor,
	takeSupervisor,
} from "../../../src/platform/supervisor.ts";
import { sendByProgram } from "../../../src/platform/systemd-notify.ts";
import {
	receiveNotifications,
	socketFolder,
} from "../../support/notify-receiver.ts";
import { until } from "../../system/waiting.ts";

const fail = (words: string) => {
	throw new Error(words);
};

t.test("says what systemd understands, one assignment a line", async (t) => {
	const { supervisor, said } = recorded();
	supervisor.extendTimeout(1500);
	supervisor.ready("3 clients");
	supervisor.status("4 clients");
	supervisor.status("4 clients");
	supervisor.ping();
	supervisor.stopping("stopping");
	t.strictSame(said, [
		"EXTEND_TIMEOUT_USEC=1500000",
		"READY=1\nSTATUS=3 clients",
		"STATUS=4 clients",
		"WATCHDOG=1",
		"STOPPING=1\nSTATUS=stopping",
	]);
});

t.test("a line end in the status begins no other assignment", async (t) => {
	const { supervisor, said } = recorded();
	supervisor.status("a topic\nMAINPID=1\r\nREADY=1\u2028x");
	t.strictSame(said, ["STATUS=a topic MAINPID=1 READY=1 x"]);
});

t.test("READY is said again until it is taken", async (t) => {
	const { supervisor, said, take } = recorded();
	take(false);
	supervisor.ready("ready");
	supervisor.status("ready");
	take(true);
	supervisor.ping();
	supervisor.ping();
	t.strictSame(said, [
		"READY=1\nSTATUS=ready",
		"READY=1\nSTATUS=ready",
		"READY=1\nWATCHDOG=1",
		"WATCHDOG=1",
	]);
});

t.test("without NOTIFY_SOCKET nobody is told anything", async (t) => {
	t.equal(takeSupervisor({}, fail), noSupervisor);
	t.equal(takeSupervisor({ NOTIFY_SOCKET: "" }, fail), noSupervisor);
});

t.test("the variables are gone once they are read", async (t) => {
	const env = { ...watched("1"), PATH: "/bin" };
	takeSupervisor(env, fail);
	t.strictSame(env, { PATH: "/bin" });
});

t.test("the watchdog of another process is not ours", async (t) => {
	const watchdogMs = (pid: string | undefined, usec: string) =>
		takeSupervisor({ ...watched(usec), WATCHDOG_PID: pid }, fail).watchdogMs;
	t.equal(watchdogMs(String(process.pid), "30000000"), 30_000);
	t.equal(watchdogMs(undefined, "1500000"), 1500);
	t.equal(watchdogMs(String(process.pid + 1), "30000000"), 0);
	t.equal(watchdogMs(undefined, "soon"), 0);
	t.equal(watchdogMs(undefined, "0"), 0);
});

for (const prefix of ["", "@"] as const) {
	const kind = prefix === "" ? "a path" : "an abstract name";
	t.test(`reaches a socket with ${kind}, as this process`, async (t) => {
		const receiver = await receiveNotifications(t, prefix);
		const warnings = warningsOf(t);
		const supervisor = takeSupervisor({ NOTIFY_SOCKET: receiver.name }, fail);
		supervisor.ready("zwei Gäste");
		supervisor.ping();
		await until(() => receiver.count("WATCHDOG=1") === 1, "the ping");
		t.strictSame(
			receiver.received.map(({ line }) => line),
			["READY=1", "STATUS=zwei Gäste", "WATCHDOG=1"],
		);
		t.ok(receiver.received.every(({ pid }) => pid === process.pid));
		t.strictSame(warnings, [], "and warns of no experiment");
	});
}

t.test("nobody at the socket does not disturb", async (t) => {
	const name = join(socketFolder(t), "nobody");
	const supervisor = takeSupervisor({ NOTIFY_SOCKET: name }, fail);
	supervisor.ready("ready");
	supervisor.ping();
});

t.test("a full socket is not waited for", async (t) => {
	const receiver = await receiveNotifications(t);
	const supervisor = takeSupervisor({ NOTIFY_SOCKET: receiver.name }, fail);
	for (let i = 0; i < 2000; i++) supervisor.ping();
	supervisor.ready("ready");
	await until(() => {
		supervisor.status(String(performance.now()));
		return receiver.count("READY=1") > 0;
	}, "READY, which must not be lost");
});

t.test("without the C library the program says it, in order", async (t) => {
	const { log } = fakeProgram(t, "exit 0");
	const send = sendByProgram(fail);
	send("READY=1\nSTATUS=two words");
	send("WATCHDOG=1");
	send("STATUS=last");
	const lines = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
	await until(() => lines().endsWith("last\n"), "all three");
	const pid = `--pid=${process.pid}`;
	t.strictSame(lines().trim().split("\n"), [
		`--ready ${pid} --status=two words`,
		`${pid} WATCHDOG=1`,
		`${pid} --status=last`,
	]);
});

t.test("a program that fails is told of once", async (t) => {
	fakeProgram(t, "echo not allowed >&2; exit 1");
	const words: string[] = [];
	const send = sendByProgram((each) => words.push(each));
	send("STATUS=one");
	send("WATCHDOG=1");
	await until(() => words.length > 0, "the failure");
	send("STATUS=three");
	await new Promise((resolve) => setImmediate(resolve));
	t.equal(words.length, 1);
	t.match(words[0], "not allowed");
	t.match(words[0], "NotifyAccess=all");
});

function recorded() {
	const said: string[] = [];
	let isTaken = true;
	const supervisor = new SystemdSupervisor((text) => {
		said.push(text);
		return isTaken;
	}, 0);
	const take = (taken: boolean) => {
		isTaken = taken;
	};
	return { supervisor, said, take };
}

function watched(usec: string): Record<string, string | undefined> {
	return { NOTIFY_SOCKET: "/nowhere/notify", WATCHDOG_USEC: usec };
}

function warningsOf(t: Test): string[] {
	const warnings: string[] = [];
	const keep = (warning: Error) => warnings.push(warning.message);
	process.on("warning", keep);
	t.teardown(() => process.removeListener("warning", keep));
	return warnings;
}

/** A `systemd-notify` of our own, first in the path; it notes its arguments. */
function fakeProgram(t: Test, ending: string): { log: string } {
	const folder = t.testdir();
	const log = join(folder, "log");
	const file = join(folder, "systemd-notify");
	writeFileSync(file, `#!/bin/sh\necho "$*" >>"${log}"\n${ending}\n`);
	chmodSync(file, 0o755);
	const { PATH } = process.env;
	process.env.PATH = `${folder}:${PATH}`;
	t.teardown(() => {
		process.env.PATH = PATH;
	});
	return { log };
}
