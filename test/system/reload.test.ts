/** SIGHUP: what can change does, and nobody is disconnected for it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadConfig } from "../../src/config/config.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { Logger } from "../../src/platform/logger.ts";
import { logOptions, Service } from "../../src/service.ts";
import { connectRaw, openRaw } from "../support/raw-client.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { changeConfig, portOf, reload } from "./config-file.ts";
import { linesWith } from "./waiting.ts";

t.test(
	"limits and log level change at once, and connected clients stay",
	async (t) => {
		const broker = await spawnBroker(t, {
			config: { "log.level": "warning", max_inflight_messages: "20" },
			// At level warning the harness would not see the ports.
			args: [
				"--set",
				"log.class.system=info",
				"--set",
				"log.class.config=info",
			],
		});
		const { port } = broker;
		const witness = await connectRaw({ port, clientId: "witness" });
		t.equal(await windowOf(port), 20);
		t.equal(linesWith(broker.stderr(), "client connected").length, 0);

		changeConfig(broker, { max_inflight_messages: "5", "log.level": "info" });
		const line = await reload(broker);
		t.match(line, "max_inflight_messages");
		t.match(line, "log.level");
		t.equal(await windowOf(port), 5);
		t.ok(linesWith(broker.stderr(), "client connected").length > 0);

		await witness.ping();
		t.notOk(witness.isClosed);
	},
);

t.test("max_connections changes for connections made afterwards", async (t) => {
	const broker = await spawnBroker(t);
	const { port } = broker;
	const first = await connectRaw({ port, clientId: "first" });
	const second = await connectRaw({ port, clientId: "second" });
	changeConfig(broker, { max_connections: "2" });
	t.match(await reload(broker), "max_connections");
	const third = await openRaw({ port, version: 5 });
	await t.rejects(third.connect({ clientId: "third" }), /CONNACK 137/);
	await third.closed();
	const [refused = ""] = linesWith(broker.stderr(), "client=third");
	t.match(refused, "max_connections", "the log names the key");
	changeConfig(broker, { max_connections: "3" });
	await reload(broker);
	await connectRaw({ port, version: 5, clientId: "third" });

	changeConfig(broker, { "listener.max_connections": "3" });
	await reload(broker);
	const fourth = await openRaw({ port });
	await fourth.closed();
	t.match(broker.stderr(), "listener.tcp.default.max_connections");
	await first.ping();
	await second.ping();
});

t.test("keys that need a restart are named in one line", async (t) => {
	const broker = await spawnBroker(t);
	const client = await connectRaw({ port: broker.port, clientId: "stays" });
	changeConfig(broker, {
		"store.commit_interval": "10ms",
		"log.format": "json",
		"listener.tcp.default.backlog": "99",
		max_qos: "1",
	});
	const line = await reload(broker);
	const [changed = "", restart = ""] = line.split("needs_restart=");
	t.match(changed, "max_qos");
	for (const key of [
		"store.commit_interval",
		"log.format",
		"listener.tcp.default.backlog",
	]) {
		t.match(restart, key);
		t.notMatch(changed, key);
	}
	await client.ping();
});

t.test("a mistake leaves everything as it is", async (t) => {
	const broker = await spawnBroker(t);
	const { port } = broker;
	const client = await connectRaw({ port, clientId: "stays" });
	changeConfig(broker, {
		max_inflight_messages: "5",
		max_qos: "9",
		no_such_key: "1",
		"listener.tcp.more": "127.0.0.1:0",
	});
	t.match(await reload(broker), "not read again");
	t.match(broker.stderr(), /broker\.conf:\d+: max_qos = 9/);
	t.match(broker.stderr(), /broker\.conf:\d+: no_such_key/);
	t.notMatch(broker.stderr(), "(tcp:more)", "no listener was opened");
	t.equal(await windowOf(port), 20);
	changeConfig(broker, { max_qos: null, no_such_key: null });
	t.notMatch(await reload(broker), "not read again");
	t.equal(await windowOf(port), 5, "works once it is mended");
	await client.ping();
});

t.test(
	"a listener that is added or removed concerns only its clients",
	async (t) => {
		const broker = await spawnBroker(t);
		const { port, wsPort } = broker;
		const witness = await connectRaw({ port, clientId: "witness" });

		changeConfig(broker, { "listener.tcp.more": "127.0.0.1:0" });
		await reload(broker);
		const morePort = await portOf(broker, "tcp:more");
		const guest = await connectRaw({
			port: morePort,
			version: 5,
			clientId: "guest",
		});
		await guest.ping();

		changeConfig(broker, { "listener.tcp.more": null });
		await reload(broker);
		const disconnect = await guest.expect("disconnect", 3000);
		t.ok(disconnect.reasonCode, "its clients are told");
		await guest.closed();
		const late = connectRaw({ port: morePort, clientId: "late" });
		await t.rejects(late, "nobody listens there any more");

		await witness.ping();
		t.equal(await portOf(broker, "tcp:default"), port);
		t.equal(await portOf(broker, "ws:default"), wsPort);
		t.equal(
			linesWith(broker.stderr(), "(tcp:default)").length,
			1,
			"the others were not opened again",
		);
	},
);

t.test(
	"a listener that cannot be opened is named and the others stay",
	async (t) => {
		const broker = await spawnBroker(t);
		const client = await connectRaw({ port: broker.port, clientId: "stays" });
		changeConfig(broker, {
			"listener.tcp.more": `127.0.0.1:${broker.port}`,
			max_qos: "1",
		});
		await reload(broker);
		t.match(broker.stderr(), /already in use.*listener\.tcp\.more/);
		await client.ping();
		changeConfig(broker, { "listener.tcp.more": "127.0.0.1:0" });
		await reload(broker);
		t.ok(await portOf(broker, "tcp:more"), "mended by the next reload");
	},
);

/** How many QoS 1 messages are sent to a new client that acknowledges none. */
async function windowOf(port: number): Promise<number> {
	const client = await connectRaw({
		port,
		version: 5,
		clientId: "window",
		acknowledges: false,
	});
	await client.subscribe("window", 1);
	for (let i = 0; i < 30; i++) await client.publish("window", `${i}`, 1);
	// The answer comes behind all that was sent before.
	await client.ping();
	const { received } = client;
	await client.disconnect();
	return received;
}

t.test(
	"a reload waits for the start and for the reload before it",
	async (t) => {
		const dir = t.testdir();
		const file = join(dir, "broker.conf");
		const write = (...more: string[]) =>
			writeFileSync(
				file,
				[
					"listener.tcp.default = 127.0.0.1:0",
					"listener.ws.default = off",
					`data_dir = ${join(dir, "data")}`,
					...more,
				].join("\n"),
			);
		write();
		const config = loadConfig({
			file,
			sets: [],
			env: {},
			underSystemd: false,
			fragments: [],
		});
		const lines: string[] = [];
		const log = new Logger(
			(line) => lines.push(line),
			systemClock,
			logOptions(config.settings, false),
		);
		const service = new Service(config, log, (error) => t.fail(error.message));
		t.teardown(() => service.stop());
		const started = service.start();
		write("listener.tcp.more = 127.0.0.1:0");
		await Promise.all([started, service.reload(), service.reload()]);
		const heard = lines.map(
			(line) =>
				/ready|listening on .*\(tcp:\w+\)|read again.*|in use/.exec(line)?.[0],
		);
		t.match(
			heard.filter((each) => each !== undefined),
			[/tcp:default/, /ready/, /tcp:more/, /read again/, /read again/],
		);
		t.equal(lines.filter((line) => line.includes("tcp:more")).length, 1);
	},
);
