import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { AdminRefusal } from "../../../src/broker/broker-api.ts";
import { persistent, startRig } from "../broker/broker-fixture.ts";
import { askOn, shortFolder, startAdminRig } from "./admin-fixture.ts";

t.test("the socket is for its owner and group only", async (t) => {
	const { socket, stop } = await startAdminRig(t);
	t.equal(statSync(socket).mode & 0o777, 0o660);
	await stop();
	t.notOk(existsSync(socket), "and goes with the broker");
});

t.test("status has figures, and lines for a person", async (t) => {
	const rig = await startAdminRig(t);
	await rig.join("one", persistent);
	const { status, body } = await rig.ask("GET", "/status");
	t.equal(status, 200);
	t.match(body, {
		pid: process.pid,
		connections: 1,
		sessions: 1,
		durability: { mode: "strict", lossWindowMs: 0 },
		memory: { stage: "normal" },
		store: { trouble: "" },
	});
	const headings = body.lines.map(([heading]: string[]) => heading);
	for (const heading of ["clients", "queued", "retained", "memory", "state"])
		t.ok(headings.includes(heading), heading);
	t.match(body.lines[0][1], "1 connected, 1 session, 0 subscriptions");
});

t.test("status states what a power cut may take", async (t) => {
	for (const [settings, words, durability] of [
		[{}, /loses nothing/, { mode: "strict", lossWindowMs: 0 }],
		[
			{ durability: "relaxed", "store.sync_interval": "7s" },
			/the last 7 s/,
			{ mode: "relaxed", lossWindowMs: 7000 },
		],
		[
			{ persistence: "off" },
			/in memory only/,
			{ mode: "memory", lossWindowMs: null },
		],
	] as const) {
		const rig = await startAdminRig(t, settings);
		const { body } = await rig.ask("GET", "/status");
		t.match(body.durability, durability);
		const line = body.lines.find(
			([heading]: string[]) => heading === "power cut",
		);
		t.match(line[1], words);
	}
});

t.test("extensions add routes, figures and lines", async (t) => {
	const rig = await startAdminRig(t);
	const removeRoute = rig.api.addRoute({
		method: "POST",
		path: "/double/:n",
		summary: "",
		handle: ({ parameters, query, body }) => ({
			double: 2 * Number(parameters.n),
			plus: query.get("plus"),
			body,
		}),
	});
	t.same(await rig.ask("POST", "/double/4?plus=1", '{"a":1}'), {
		status: 200,
		body: { double: 8, plus: "1", body: { a: 1 } },
	});
	const routes = (await rig.ask("GET", "/routes")).body;
	t.ok(routes.some(({ path }: { path: string }) => path === "/double/:n"));
	const removeStatus = rig.api.addStatus({
		name: "bridge",
		figures: () => ({ waiting: 3 }),
		lines: () => [["bridge", "up", "3 waiting"]],
	});
	const { body } = await rig.ask("GET", "/status");
	t.same(body.extensions, { bridge: { waiting: 3 } });
	t.ok(body.lines.some(([heading]: string[]) => heading === "bridge"));
	removeRoute();
	removeStatus();
	t.equal((await rig.ask("POST", "/double/4")).status, 404);
	t.same((await rig.ask("GET", "/status")).body.extensions, {});
});

t.test("what goes wrong is told in words", async (t) => {
	const rig = await startAdminRig(t);
	const add = (path: string, handle: () => unknown, timeoutMs = 5000) =>
		rig.api.addRoute({ method: "POST", path, summary: "", handle, timeoutMs });
	add("/refuse", () => {
		throw new AdminRefusal(409, "not now", { since: 5 });
	});
	add("/fail", async () => {
		throw new Error("a bug");
	});
	add("/hang", () => new Promise(() => {}), 20);
	t.same(await rig.ask("POST", "/refuse"), {
		status: 409,
		body: { error: "not now", since: 5 },
	});
	t.match(await rig.ask("POST", "/fail"), {
		status: 500,
		body: { error: /a bug/ },
	});
	t.match(rig.log.join("\n"), /a request on the admin socket failed.*a bug/);
	t.match(await rig.ask("POST", "/hang"), {
		status: 504,
		body: { error: /POST \/hang is not done after 0.02 s/ },
	});
	t.match(await rig.ask("GET", "/nothing"), { status: 404 });
	t.match(await rig.ask("PUT", "/status"), { status: 405 });
	t.match(await rig.ask("POST", "/fail", "{"), {
		status: 400,
		body: { error: /not JSON/ },
	});
	t.match(await rig.ask("POST", "/fail", `"${"x".repeat(300_000)}"`), {
		status: 413,
		body: { error: /at most 262144 bytes/ },
	});
});

t.test(
	"connections are bounded, and what is no HTTP is answered",
	async (t) => {
		const { socket } = await startAdminRig(t);
		const crowd = Array.from({ length: 40 }, () => connect(socket));
		t.teardown(() => {
			for (const each of crowd) each.destroy();
		});
		const refused = crowd.map((each) => {
			each.on("error", () => {});
			return once(each, "close");
		});
		await Promise.race(refused);
		t.pass("one too many was closed");
		for (const each of crowd) each.destroy();
		await Promise.all(refused);
		const stranger = connect(socket);
		stranger.write("\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab");
		const [answer] = await once(stranger, "data");
		t.match(String(answer), /^HTTP\/1.1 400/);
		stranger.destroy();
	},
);

t.test("sessions are listed by queued bytes, a page at a time", async (t) => {
	const rig = await startAdminRig(t);
	const names = ["a", "b", "c/ü d", "e"];
	for (const [index, name] of names.entries()) {
		const client = await rig.join(name, persistent);
		await client.subscribe(`to/${index}`, 1);
		if (name === "e") continue;
		client.write({ cmd: "disconnect" });
		await client.closed();
	}
	const sender = await rig.join("sender");
	for (const [topic, count] of [
		["to/0", 1],
		["to/1", 3],
		["to/2", 2],
	] as const) {
		for (let i = 0; i < count; i++) {
			sender.publish(topic, "x", 1);
			await sender.expect("puback");
		}
	}
	const seen: string[] = [];
	let next: string | null = null;
	do {
		const after: string =
			next === null ? "" : `&after=${encodeURIComponent(next)}`;
		const { body } = await rig.ask("GET", `/sessions?limit=2${after}`);
		t.equal(body.total, 5);
		t.ok(body.sessions.length <= 2);
		for (const one of body.sessions) seen.push(one.clientId);
		next = body.next;
	} while (next !== null);
	t.same(seen, ["b", "c/ü d", "a", "e", "sender"]);
	const { body } = await rig.ask("GET", "/sessions?limit=1");
	t.match(body.sessions[0], {
		clientId: "b",
		isConnected: false,
		queuedMessages: 3,
		subscriptions: 1,
		expirySeconds: 1000,
		isPersistent: true,
	});
	for (const wrong of ["limit=0", "limit=x", "limit=1001", "after=nothing"])
		t.equal((await rig.ask("GET", `/sessions?${wrong}`)).status, 400, wrong);
});

t.test("a removed session is gone, and its client is told", async (t) => {
	const rig = await startAdminRig(t);
	const client = await rig.join("a/b", persistent);
	await client.subscribe("x", 1);
	t.same(await rig.ask("DELETE", "/sessions/a%2Fb"), {
		status: 200,
		body: { clientId: "a/b", isDurable: true },
	});
	const goodbye = await client.expect("disconnect");
	t.equal(goodbye.reasonCode, 0x98, "Administrative action");
	t.match(await rig.ask("DELETE", "/sessions/a%2Fb"), {
		status: 404,
		body: { error: /no session of a client "a\/b"/ },
	});
	t.equal(rig.broker.registry.size, 0);
	t.equal(rig.broker.router.subscriptions.size, 0);
	const again = rig.client();
	const connack = await again.connect("a/b", { ...persistent });
	t.equal(connack.sessionPresent, false);
});

t.test("a socket left behind is replaced, a live one is not", async (t) => {
	const folder = await shortFolder(t);
	const path = join(folder, "admin.sock");
	const first = await startRig(t, { "admin.socket": path });
	const second = await startRig(t, { "admin.socket": path });
	t.match(
		second.log.join("\n"),
		/no admin socket.*already in use.*admin.socket/,
	);
	t.equal((await askOn(path, "GET", "/ping")).status, 200);
	await second.stop();
	t.equal((await askOn(path, "GET", "/ping")).status, 200, "it stays");
	await first.stop();
	await leaveSocket(path);
	t.ok(existsSync(path));
	const third = await startRig(t, { "admin.socket": path });
	t.notMatch(third.log.join("\n"), /no admin socket/);
	t.equal((await askOn(path, "GET", "/ping")).status, 200);
});

t.test("without a socket the broker runs on, and says why", async (t) => {
	const folder = await shortFolder(t);
	const file = join(folder, "file");
	writeFileSync(file, "mine");
	for (const [path, words] of [
		[file, /file exists and is not a socket/],
		[join(file, "admin.sock"), /cannot make .*file already exists/],
		[join(folder, "x".repeat(100)), /at most 107 bytes long/],
	] as const) {
		const rig = await startRig(t, { "admin.socket": path });
		t.match(rig.log.join("\n"), words);
		t.match(rig.log.join("\n"), "admin.socket");
		await rig.join("client");
	}
	const silent = await startRig(t, { "admin.socket": "off" });
	t.notMatch(silent.log.join("\n"), /admin/);
});

/** A socket file that nobody answers on, as a killed process leaves it. */
async function leaveSocket(path: string): Promise<void> {
	const program = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
	await once(spawn(process.execPath, ["-e", program]), "exit");
}
