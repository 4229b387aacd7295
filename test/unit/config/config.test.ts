import t from "tap";
import {
	ConfigError,
	environmentName,
	formatProblem,
	loadConfig,
	settingsOf,
} from "../../../src/config/config.ts";
import { defineFragment } from "../../../src/platform/config-field.ts";
import { load, optionsOf, problemsOf } from "./load.ts";

t.test("without any configuration everything has its default", async (t) => {
	const { settings, listeners, files, notices } = load();
	t.match(settings, {
		data_dir: `${process.cwd()}/data`,
		allow_anonymous: "loopback",
		connect_timeout: 10_000,
		max_connect_size: 65_536,
		max_keepalive: 65_535,
		max_inflight_messages: 20,
		max_online_messages: 1000,
		max_offline_messages: 1000,
		max_message_size: 10_485_760,
		max_message_rate: Number.POSITIVE_INFINITY,
		persistent_client_expiration: 30 * 86_400_000,
		retry_interval: 20_000,
		queue_type: "fifo",
		shared_subscription_policy: "prefer_local",
		persistence: true,
		"log.level": "info",
		"log.class.access": "default",
	});
	t.match(
		listeners.map((one) => one.name),
		["tcp:default", "ws:default"],
	);
	t.same(files, []);
	t.same(notices, []);
});

t.test(
	"later sources win over earlier ones, and each value says where it is from [VD005]",
	async (t) => {
		const folder = t.testdir({
			"broker.conf": [
				"max_qos = 0",
				"max_topic_levels = 10",
				"max_topic_length = 100",
				"max_client_id_size = 23",
				"queue_type = lifo",
			].join("\n"),
			"conf.d": {
				"20-b.conf": "max_topic_levels = 12\nmax_topic_length = 102\n",
				"10-a.conf":
					"max_topic_levels = 11\nmax_topic_length = 101\nmax_client_id_size = 24\n",
				"README.txt": "not read",
				".hidden.conf": "not read",
			},
		});
		const file = `${folder}/broker.conf`;
		const { settings, origins, files } = loadConfig(
			optionsOf({
				file,
				env: {
					BROKER_MAX_TOPIC_LENGTH: "103",
					BROKER_LOG__LEVEL: "debug",
					BROKER_QUEUE_TYPE: "fifo",
				},
				sets: ["log.level=trace", "queue_type = lifo"],
			}),
		);
		t.match(settings, {
			max_qos: 0,
			max_client_id_size: 24,
			max_topic_levels: 12,
			max_topic_length: 103,
			"log.level": "trace",
			queue_type: "lifo",
		});
		t.same(origins.get("max_qos"), { kind: "file", where: `${file}:1` });
		t.same(origins.get("max_topic_levels"), {
			kind: "include",
			where: `${folder}/conf.d/20-b.conf:1`,
		});
		t.same(origins.get("max_topic_length"), {
			kind: "environment",
			where: "BROKER_MAX_TOPIC_LENGTH",
		});
		t.same(origins.get("queue_type"), { kind: "command line", where: "--set" });
		t.same(origins.get("retain_available"), { kind: "default", where: "" });
		t.equal(files.length, 3);
	},
);

t.test(
	"the default file is read when it exists, a named one must exist",
	async (t) => {
		const folder = t.testdir({ "broker.conf": "max_qos = 1\n" });
		const defaultFile = `${folder}/broker.conf`;
		t.equal(loadConfig(optionsOf({ defaultFile })).settings.max_qos, 1);
		t.match(problemsOf({ file: `${folder}/other.conf` }), [
			{ where: `${folder}/other.conf`, message: "does not exist" },
		]);
		t.match(problemsOf({ file: folder }), [{ message: /folder/ }]);
	},
);

t.test(
	"include_dir counts from the file, and must exist when it is named",
	async (t) => {
		const folder = t.testdir({
			"a.conf": "include_dir = more\n",
			"b.conf": "include_dir = off\nmax_qos = 0\n",
			"c.conf": "include_dir = missing\n",
			"d.conf": "include_dir = nested\n",
			more: { "1.conf": "max_qos = 1\n" },
			nested: { "1.conf": "max_qos = 1\ninclude_dir = more\n" },
			"conf.d": { "1.conf": "max_qos = 2\n" },
		});
		const qosOf = (name: string, ...sets: string[]) =>
			loadConfig(optionsOf({ file: `${folder}/${name}`, sets })).settings
				.max_qos;
		t.equal(qosOf("a.conf"), 1);
		t.equal(qosOf("b.conf"), 0);
		t.equal(qosOf("b.conf", `include_dir=${folder}/more`), 1);
		t.match(problemsOf({ file: `${folder}/c.conf` }), [
			{
				where: `${folder}/c.conf:1`,
				key: "include_dir",
				message: "does not exist",
			},
		]);
		t.match(problemsOf({ file: `${folder}/d.conf` }), [
			{ where: `${folder}/nested/1.conf:2`, message: /cannot include/ },
		]);
		t.match(problemsOf({ sets: ["include_dir=/nonexistent"] }), [
			{ where: "--set", key: "include_dir" },
		]);
	},
);

t.test(
	"all mistakes are named at once, in the order of the file",
	async (t) => {
		const folder = t.testdir({
			"b.conf": [
				"max_qos = 7",
				"max_inflght_messages = 3",
				"listener.tcp.default = 1883",
				"junk",
				"allow_anonymous = sometimes",
				"max_message_size = ten",
				"graphite_api_kye = geheim",
			].join("\n"),
		});
		const file = `${folder}/b.conf`;
		const problems = problemsOf({
			file,
			sets: ["max_qos"],
			env: { BROKER_MAX_QOS: "x" },
		});
		t.same(
			problems.map((one) => one.where),
			[1, 2, 3, 4, 5, 6, 7]
				.map((line) => `${file}:${line}`)
				.concat("--set", "BROKER_MAX_QOS"),
		);
		const text = problems.map(formatProblem).join("\n");
		t.match(text, `${file}:1: max_qos = 7: must be a whole number from 0 to 2`);
		t.match(text, "did you mean max_inflight_messages?");
		t.match(text, "must be one of on, off, loopback");
		t.match(text, "graphite_api_kye = ***");
		t.notMatch(text, "geheim");
		t.throws(() => loadConfig(optionsOf({ file })), ConfigError);
	},
);

t.test(
	"a key that does not exist stops the start, wherever it is",
	async (t) => {
		t.match(problemsOf({ sets: ["allow_anonymos=off"] }), [
			{ key: "allow_anonymos", nearest: "allow_anonymous" },
		]);
		t.match(problemsOf({ env: { BROKER_LOG_LEVEL: "debug" } }), [
			{ where: "BROKER_LOG_LEVEL", nearest: /BROKER_LOG__LEVEL/ },
		]);
		t.equal(problemsOf({ sets: ["__proto__=1", "constructor=1"] }).length, 2);
	},
);

t.test("variables about a neighbouring container are no keys", async (t) => {
	const env = {
		BROKER_PORT: "tcp://10.0.0.1:1883",
		BROKER_PORT_1883_TCP_ADDR: "10.0.0.1",
		BROKER_SERVICE_HOST: "10.0.0.1",
		BROKER_: "x",
	};
	const { notices } = loadConfig(optionsOf({ env }));
	t.equal(notices.length, 3);
});

t.test(
	"environment variables reach listeners with small letters",
	async (t) => {
		t.equal(
			environmentName("listener.tcp.default"),
			"BROKER_LISTENER__TCP__DEFAULT",
		);
		const { listeners } = loadConfig(
			optionsOf({
				env: {
					BROKER_LISTENER__TCP__DEFAULT: "127.0.0.1:1",
					BROKER_listener__tcp__Kitchen: "127.0.0.1:2",
				},
			}),
		);
		t.same(listeners.map((one) => one.name).sort(), [
			"tcp:Kitchen",
			"tcp:default",
		]);
	},
);

t.test("data_dir follows systemd", async (t) => {
	const folderOf = (options: Parameters<typeof optionsOf>[0]) =>
		loadConfig(optionsOf(options)).settings.data_dir;
	t.equal(folderOf({ underSystemd: true }), "/var/lib/broker");
	const env = { STATE_DIRECTORY: "/var/lib/two:/x" };
	t.equal(folderOf({ underSystemd: true, env }), "/var/lib/two");
	t.equal(folderOf({ env, sets: ["data_dir=/srv/b"] }), "/srv/b");
	t.equal(folderOf({ sets: ["data_dir="] }), `${process.cwd()}/data`);
});

t.test(
	"keys that do not act yet are accepted and say so [VD070] [VD071] [VD072] [VD074]",
	async (t) => {
		const { notices, settings } = load(
			"listener.ssl.default=127.0.0.1:8883",
			"listener.tcp.default=127.0.0.1:1883",
			"distributed_cookie=monster",
			"leveldb.maximum_memory.percent=20",
			"plugins.vmq_passwd=on",
			"allow_publish_during_netsplit=on",
			'vmq_reg_view="vmq_reg_trie"',
			"listener.nr_of_acceptors=10",
			"listener.vmq.clustering=0.0.0.0:44053",
			"max_drain_time=20",
			"outgoing_clustering_buffer_size=15000",
			"log.dir=/tmp",
		);
		const about = new Map(notices.map((one) => [one.key, one.message]));
		t.equal(about.size, 11);
		t.match(about.get("listener.ssl.default"), /does not act yet/);
		t.match(about.get("plugins.vmq_passwd"), /does not act yet/);
		t.match(about.get("distributed_cookie"), /has no effect here/);
		t.match(about.get("listener.vmq.clustering"), /bridge/);
		t.notOk("distributed_cookie" in settings);
		t.notMatch(notices, [{ message: /monster/ }]);
	},
);

t.test(
	"combinations that are probably not meant leave a notice [VD062]",
	async (t) => {
		const noticesOf = (...sets: string[]) =>
			load(...sets).notices.map((one) => one.key);
		t.same(noticesOf("max_online_messages=0"), ["max_online_messages"]);
		t.same(noticesOf("max_online_messages=-1"), []);
		t.same(noticesOf("max_message_size=20MB"), ["max_message_size"]);
		t.same(noticesOf("max_packet_size=10KB", "max_message_size=1KB"), [
			"max_connect_size",
		]);
		t.same(noticesOf("max_connect_size=5MB"), ["unauthenticated_bytes"]);
		t.same(noticesOf("receive_max_client=5"), ["receive_max_client"]);
		t.same(noticesOf("persistence=off"), ["persistence"]);
		t.same(noticesOf("listener.tcp.a=0.0.0.0:1"), []);
		t.same(noticesOf("listener.tcp.a=0.0.0.0:1", "allow_anonymous=on"), [
			"listener.tcp.a",
		]);
		t.same(noticesOf("listener.tcp.a=127.0.0.1:1", "allow_anonymous=on"), []);
	},
);

t.test(
	"limits take each key's own word for none [VD061] [VD063] [VD066] [VD069]",
	async (t) => {
		const { settings } = load(
			"max_inflight_messages=0",
			"max_offline_messages=-1",
			"max_message_size=0",
			"max_message_rate=2",
			"persistent_client_expiration=never",
			"max_last_will_delay=client",
		);
		t.match(settings, {
			max_inflight_messages: Number.POSITIVE_INFINITY,
			max_offline_messages: Number.POSITIVE_INFINITY,
			max_message_size: Number.POSITIVE_INFINITY,
			max_message_rate: 2,
			persistent_client_expiration: Number.POSITIVE_INFINITY,
			max_last_will_delay: Number.POSITIVE_INFINITY,
		});
		t.equal(load("max_offline_messages=0").settings.max_offline_messages, 0);
	},
);

t.test("each log class has a level of its own [F13]", async (t) => {
	const { settings } = load("log.class.packet=trace", "log.class.access=off");
	t.equal(settings["log.class.packet"], "trace");
	t.equal(settings["log.class.access"], "off");
	t.match(problemsOf({ sets: ["log.class.weather=off"] }), [{}]);
});

t.test("an extension reads its keys from the same object", async (t) => {
	const fragment = defineFragment({
		title: "Bridge",
		fields: [
			{
				key: "bridge.retry",
				type: "duration",
				default: "5s",
				runtime: true,
				doc: "A pause.",
			},
			{
				key: "bridge.<name>.address",
				type: "text",
				default: "",
				runtime: true,
				doc: "Where.",
			},
		],
	});
	const config = loadConfig(
		optionsOf({
			fragments: [fragment],
			sets: ["bridge.retry=1min", "bridge.central.address=host:1883"],
		}),
	);
	const settings = settingsOf(config, fragment);
	const retry: number = settings["bridge.retry"];
	t.equal(retry, 60_000);
	t.match(config.settings, { "bridge.central.address": "host:1883" });
});

t.test("memory_limit is a size from 96MB on, or auto", async (t) => {
	const limit = (value: string) =>
		loadConfig(optionsOf({ sets: [`memory_limit=${value}`] })).settings
			.memory_limit;
	t.equal(limit("auto"), Number.POSITIVE_INFINITY);
	t.equal(limit("96MB"), 96 * 1024 * 1024);
	t.throws(() => limit("95MB"), /memory_limit/);
});
