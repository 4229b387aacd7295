import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { createListener } from "../../../src/transport/create-listener.ts";
import { Acceptor, eventually, listenerOptions } from "./support.ts";

/** One for all tests: those named after a test are too long for a socket. */
const folder = t.testdir();

function unixOptions(path: string, overrides = {}) {
	return listenerOptions({
		transport: "unix",
		name: "unix:default",
		addresses: [],
		path,
		...overrides,
	});
}

t.test("serves a unix socket with its mode", async (t) => {
	const path = join(folder, "serves.sock");
	const acceptor = new Acceptor();
	const options = unixOptions(path, { unixMode: 0o600 });
	const listener = createListener(options, acceptor.accept, () => {});
	await listener.start();
	t.equal(statSync(path).mode & 0o777, 0o600);
	t.same(listener.addresses, [path]);
	t.equal(listener.port, 0);
	const peer = connect(path);
	const { stream, recorder } = await acceptor.next();
	t.same(stream.info, {
		transport: "unix",
		listener: "unix:default",
		remoteAddress: "",
		remotePort: 0,
		isLoopback: true,
	});
	peer.write("hello");
	await recorder.until(() => recorder.bytes.toString() === "hello");
	t.equal(stream.write([Buffer.from("you")]), true);
	const [answer] = await once(peer, "data");
	t.equal(String(answer), "you");
	peer.end();
	await eventually(() => listener.connections === 0);
	await listener.stop();
	t.notOk(existsSync(path));
});

t.test("a second listener does not take over a socket in use", async (t) => {
	const path = join(folder, "second.sock");
	const acceptor = new Acceptor();
	const first = createListener(unixOptions(path), acceptor.accept, () => {});
	const second = createListener(unixOptions(path), acceptor.accept, () => {});
	await first.start();
	await t.rejects(second.start(), {
		message: /already in use .* listener\.unix\.default/,
	});
	t.equal(statSync(path).mode & 0o777, 0o660);
	acceptor.destroyAll();
	await first.stop();
});

t.test("a socket left behind is replaced", async (t) => {
	const path = join(folder, "stale.sock");
	const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
	spawnSync(process.execPath, ["-e", script]);
	t.ok(existsSync(path));
	const listener = createListener(
		unixOptions(path),
		() => {},
		() => {},
	);
	await listener.start();
	await listener.stop();
});

t.test("a file that is no socket is left alone", async (t) => {
	const path = join(folder, "precious.txt");
	writeFileSync(path, "keep me");
	const listener = createListener(
		unixOptions(path),
		() => {},
		() => {},
	);
	await t.rejects(listener.start(), { message: /is not a socket/ });
	t.ok(existsSync(path));
});

t.test(
	"a path that is empty, too long or unreachable is refused in words",
	async (t) => {
		const start = (path: string) =>
			createListener(
				unixOptions(path),
				() => {},
				() => {},
			).start();
		await t.rejects(start(""), { message: /needs the path/ });
		await t.rejects(start(`/tmp/${"x".repeat(110)}`), {
			message: /at most 107 bytes/,
		});
		await t.rejects(start(join(folder, "none", "a.sock")), {
			message: /cannot listen on .*listener\.unix\.default/,
		});
	},
);
