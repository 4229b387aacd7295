/** Looks at the real machine: what is not there, not allowed, or does not answer. */
import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { look, RealMachine } from "../../../../src/cli/doctor/machine.ts";
import {
	mountOf,
	parseMounts,
} from "../../../../src/cli/doctor/mount-table.ts";

const machine = new RealMachine();

t.test("files, folders and space", async (t) => {
	const folder = t.testdir({ file: "text", sub: {} });
	const file = join(folder, "file");
	chmodSync(file, 0o640);
	t.same(await machine.text(file), { value: "text", why: null });
	t.same(await machine.head(file, 2), { value: Buffer.from("te"), why: null });
	t.match(await machine.file(file), {
		value: { kind: "file", mode: 0o640, bytes: 4, uid: machine.uid },
	});
	t.match(await machine.file(folder), { value: { kind: "folder" } });
	t.same((await machine.names(folder)).value?.toSorted(), ["file", "sub"]);
	t.match(await machine.space(folder), { value: { freeBytes: Number } });
	const none = { value: null, why: "missing" };
	t.same(await machine.text(join(folder, "none")), none);
	t.same(await machine.file(join(file, "none")), none);
	t.match((await machine.text("/proc/self/status")).value, "VmRSS");
});

t.test("a pipe without a writer is not waited for", async (t) => {
	const pipe = join(t.testdir(), "pipe");
	execFileSync("mkfifo", [pipe]);
	t.same(await machine.text(pipe), { value: "", why: null });
});

t.test("programs", async (t) => {
	t.same(await machine.run("printf", "a b"), { value: "a b", why: null });
	t.same((await machine.run("no-such-program")).why, "missing");
	t.same((await machine.run("false")).why, "failed");
	t.same((await machine.run("sleep", "60")).why, "late", "and it is killed");
});

t.test("what never answers is late", async (t) => {
	t.same(await look(() => new Promise(() => {})), {
		value: null,
		why: "late",
	});
});

t.test("a socket's process is this one", async (t) => {
	const { createServer } = await import("node:net");
	const server = createServer().listen(0, "127.0.0.1");
	t.teardown(() => server.close());
	await new Promise((resolve) => server.once("listening", resolve));
	const { port } = server.address() as { port: number };
	const { listeningSockets } = await import(
		"../../../../src/transport/port-holder.ts"
	);
	const [socket] = listeningSockets(
		(await machine.text("/proc/net/tcp")).value ?? "",
		port,
	);
	t.ok(socket);
	if (socket)
		t.match(await machine.processOf(socket), {
			pid: process.pid,
			program: "node",
		});
});

t.test("the mount of a path", async (t) => {
	const { value } = await machine.text("/proc/self/mountinfo");
	t.equal(mountOf(parseMounts(value ?? ""), "/proc/self")?.type, "proc");
	t.ok(mountOf(parseMounts(value ?? ""), t.testdirName));
});
