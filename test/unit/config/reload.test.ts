import { writeFileSync } from "node:fs";
import t from "tap";
import { ConfigError, loadConfig } from "../../../src/config/config.ts";
import { reloadConfig } from "../../../src/config/reload.ts";
import { optionsOf } from "./load.ts";

function started(folder: string, text: string) {
	const file = `${folder}/b.conf`;
	writeFileSync(file, text);
	const config = loadConfig(optionsOf({ file }));
	return { config, write: (next: string) => writeFileSync(file, next) };
}

t.test(
	"keys that can change are changed in the same object [F25]",
	async (t) => {
		const { config, write } = started(
			t.testdir(),
			"max_inflight_messages = 5\n",
		);
		const { settings } = config;
		write(
			"max_inflight_messages = 7\nlog.level = debug\nmax_message_rate = 3\n",
		);
		const result = reloadConfig(config);
		t.same([...result.changed].sort(), [
			"log.level",
			"max_inflight_messages",
			"max_message_rate",
		]);
		t.same(result.needsRestart, []);
		t.equal(settings.max_inflight_messages, 7);
		t.equal(settings["log.level"], "debug");
		t.equal(settings.max_message_rate, 3);
		t.match(config.origins.get("log.level"), { kind: "file" });
		write("");
		t.equal(reloadConfig(config).changed.length, 3);
		t.equal(settings.max_inflight_messages, 20);
		t.equal(settings.max_message_rate, Number.POSITIVE_INFINITY);
		t.same(reloadConfig(config).changed, []);
	},
);

t.test("keys that cannot change keep their value and are named", async (t) => {
	const { config, write } = started(t.testdir(), "data_dir = /srv/a\n");
	write("data_dir = /srv/b\npersistence = off\nmax_qos = 1\n");
	const { changed, needsRestart } = reloadConfig(config);
	t.same(needsRestart, ["data_dir", "persistence"]);
	t.same(changed, ["max_qos"]);
	t.equal(config.settings.data_dir, "/srv/a");
	t.equal(config.settings.persistence, true);
});

t.test("one mistake anywhere, and nothing changes", async (t) => {
	const { config, write } = started(t.testdir(), "max_qos = 1\n");
	write("max_qos = 0\nmax_topic_levels = none\n");
	t.throws(() => reloadConfig(config), ConfigError);
	t.equal(config.settings.max_qos, 1);
});

t.test(
	"options of listeners change in place, addresses are the caller's",
	async (t) => {
		const { config, write } = started(
			t.testdir(),
			"listener.tcp.a = 127.0.0.1:1\nlistener.tcp.b = 127.0.0.1:2\nlistener.tcp.c = 127.0.0.1:3\n",
		);
		const [a] = config.listeners;
		write(
			`listener.tcp.a = 127.0.0.1:1
		listener.tcp.b = 127.0.0.1:22
		listener.tcp.d = 127.0.0.1:4
		listener.max_connections = 5
		listener.backlog = 6
		listener.tcp.allowed_protocol_versions = 5
		allow_anonymous = off`,
		);
		const result = reloadConfig(config);
		t.same(result.changed, [
			"allow_anonymous",
			"listener.tcp.a.max_connections",
			"listener.tcp.a.allowed_protocol_versions",
			"listener.tcp.a.allow_anonymous",
		]);
		t.same(result.needsRestart, ["listener.tcp.a.backlog"]);
		t.match(result.listenersAdded, [{ name: "tcp:d", maxConnections: 5 }]);
		t.match(result.listenersRemoved, [{ name: "tcp:c" }]);
		t.match(result.listenersMoved, [
			{ from: { name: "tcp:b" }, to: { addresses: [{ port: 22 }] } },
		]);
		t.match(a, {
			maxConnections: 5,
			backlog: 1024,
			allowAnonymous: "off",
			allowedProtocolVersions: [5],
		});
		t.equal(config.listeners.length, 3);
	},
);
