/** mosquitto.conf as our configuration: what is written, what is told, and that it is valid. */
import { mkdirSync, writeFileSync } from "node:fs";
import type { NetworkInterfaceInfo } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { readConf } from "../../../../src/cli/mosquitto/conf-file.ts";
import type { Status } from "../../../../src/cli/mosquitto/conversion.ts";
import {
	type ConvertedConf,
	convertConf,
} from "../../../../src/cli/mosquitto/convert-conf.ts";
import { options } from "../../../../src/cli/mosquitto/options.ts";
import { checkText } from "../../../../src/cli/mosquitto/place-config.ts";
import type { ListenerSettings } from "../../../../src/config/config.ts";
import { extensionFragments } from "../../../../src/extensions/index.ts";
import { mosquittoOptions } from "../../../fixtures/mosquitto-options.ts";
import { optionsOf } from "../../config/load.ts";

const address = (text: string, family: "IPv4" | "IPv6") =>
	({ address: text, family }) as NetworkInterfaceInfo;

const interfaces = {
	eth0: [
		address("192.168.1.5", "IPv4"),
		address("fd00::5", "IPv6"),
		address("fe80::5", "IPv6"),
	],
};

/** Each has to give a file that our own check finds nothing wrong with. */
async function convert(
	t: Test,
	text: string,
	included: Record<string, string> = {},
): Promise<ConvertedConf> {
	const folder = t.testdir({ "conf.d": included });
	const file = join(folder, "mosquitto.conf");
	writeFileSync(file, text.replaceAll("FOLDER", folder));
	const converted = convertConf(readConf(file), {
		interfaces,
		dataFolder: null,
	});
	await check(converted);
	return converted;
}

async function check({ text }: ConvertedConf) {
	const fragments = extensionFragments;
	const config = await checkText(text, optionsOf({ fragments }));
	for (const { message } of config.notices)
		if (/does not act yet|has no effect/.test(message))
			throw new Error(`${message} in\n${text}`);
	return config;
}

/** The lines that act. */
function active({ text }: ConvertedConf): string[] {
	return text
		.split("\n")
		.filter((line) => line !== "" && !line.startsWith("#"))
		.map((line) => line.replace(/ # \/.*$/, ""));
}

/** What each listener lets in, `tcp:port1883 0.0.0.0 on`. */
async function openings(converted: ConvertedConf): Promise<string[]> {
	const { listeners } = await check(converted);
	return listeners.map(
		({ name, addresses, path, allowAnonymous }: ListenerSettings) =>
			`${name} ${path || addresses.map(({ host }) => host).join(" ")} ${allowAnonymous}`,
	);
}

function told({ findings }: ConvertedConf, status: Status): string[] {
	return findings
		.filter((one) => one.status === status)
		.map(({ text }) => text);
}

/** mosquitto's line, and ours. */
const simple: readonly (readonly [string, ...string[]])[] = [
	["allow_zero_length_clientid false", "allow_zero_length_clientid = off"],
	["global_max_connections 500", "max_connections = 500"],
	["global_max_connections -1", "max_connections = unlimited"],
	["max_inflight_messages 5", "max_inflight_messages = 5"],
	["max_inflight_messages 0", "max_inflight_messages = unlimited"],
	["max_keepalive 120", "max_keepalive = 120s"],
	["max_keepalive 0", "max_keepalive = 65535s"],
	["max_packet_size 2000000", "max_packet_size = 2000000B"],
	["max_packet_size 20", "max_packet_size = 1KB"],
	["message_size_limit 1048576", "max_message_size = 1MB"],
	["message_size_limit 0", "max_message_size = unlimited"],
	["max_queued_bytes 4096", "max_queued_bytes = 4KB"],
	["max_queued_bytes 0", "max_queued_bytes = unlimited"],
	[
		"max_queued_messages 200",
		"max_offline_messages = 200",
		"max_online_messages = 200",
	],
	[
		"max_queued_messages 0",
		"max_offline_messages = unlimited",
		"max_online_messages = unlimited",
	],
	["memory_limit 268435456", "memory_limit = 256MB"],
	["memory_limit 1000"],
	["persistent_client_expiration 2m", "persistent_client_expiration = 2m"],
	["persistent_client_expiration 14d", "persistent_client_expiration = 14d"],
	["persistent_client_expiration 14"],
	["persistent_client_expiration 4000y"],
	["queue_qos0_messages true", "queue_qos0_messages = on"],
	["retain_available 0", "retain_available = off"],
	["upgrade_outgoing_qos 1", "upgrade_outgoing_qos = on"],
	["set_tcp_nodelay true", "listener.nodelay = on"],
	["sys_interval 10", "systree_interval = 10s"],
	["sys_interval 0", "systree_enabled = off"],
	["sys_interval 65535", "systree_interval = 3600s"],
	["persistence false", "persistence = off"],
	["persistence true", "persistence = on"],
	["connection_messages false", "log.class.access = warning"],
	["log_type error", "log.level = error"],
	["log_type error\nlog_type warning", "log.level = warning"],
	["log_type all", "log.level = debug"],
	["log_type all\nlog_type none", "log.level = off"],
	["log_dest none", "log.level = off"],
	["log_dest syslog"],
	["max_inflight_bytes 100"],
	["autosave_interval 60"],
	["pid_file /run/mosquitto.pid"],
	["retain_available maybe"],
	["max_inflight_messages many"],
];

for (const [theirs, ...ours] of simple) {
	t.test(theirs.replace("\n", "; "), async (t) => {
		const converted = await convert(t, `${theirs}\n`);
		t.strictSame(
			active(converted).filter((line) => !line.startsWith("listener.tcp.")),
			ours,
		);
		const [option = ""] = theirs.split(" ");
		t.ok(
			converted.findings.some(({ text }) => text.startsWith(option)),
			"it is told",
		);
	});
}

/** A configuration, and what may be used from where. */
const listeners: readonly (readonly [string, string, string[]])[] = [
	[
		"none: local only, as mosquitto 2",
		"",
		["tcp:default 127.0.0.1 ::1 loopback"],
	],
	[
		"for everybody",
		"listener 1883\nallow_anonymous true",
		["tcp:port1883 0.0.0.0 :: on"],
	],
	[
		"without allow_anonymous nobody, as mosquitto 2",
		"listener 1883",
		["tcp:port1883 0.0.0.0 :: off"],
	],
	[
		"with users: this machine only",
		"listener 1883\npassword_file /etc/mosquitto/passwd",
		["tcp:port1883 127.0.0.1 ::1 loopback"],
	],
	[
		"with users, and anonymous clients as well",
		"listener 1883\nallow_anonymous true\npassword_file /etc/mosquitto/passwd",
		["tcp:port1883 0.0.0.0 :: on"],
	],
	[
		"with rules on topics: this machine only",
		"listener 1883\nallow_anonymous true\nacl_file /etc/mosquitto/acl",
		["tcp:port1883 127.0.0.1 ::1 loopback"],
	],
	[
		"with a plugin: this machine only",
		"listener 1883\nallow_anonymous true\nauth_plugin /usr/lib/go-auth.so\nauth_opt_pg_password geheim",
		["tcp:port1883 127.0.0.1 ::1 loopback"],
	],
	[
		"encrypted: not opened, others are",
		"allow_anonymous true\nlistener 8883\ncertfile /c\nkeyfile /k\nlistener 1883 127.0.0.1",
		["tcp:port1883 127.0.0.1 loopback"],
	],
	[
		"encrypted only: nothing is opened",
		"allow_anonymous true\nlistener 8883\ncafile /a\ncertfile /c\nkeyfile /k",
		[],
	],
	[
		"with a pre-shared key",
		"listener 8883\npsk_hint hint\nallow_anonymous true",
		[],
	],
	[
		"with topics of its own",
		"allow_anonymous true\nlistener 1883\nmount_point tenant/\nlistener 1884",
		["tcp:port1884 0.0.0.0 :: on"],
	],
	[
		"behind a proxy",
		"allow_anonymous true\nlistener 1883\nenable_proxy_protocol 2",
		[],
	],
	[
		"settings of each listener",
		"per_listener_settings true\nlistener 1883\nallow_anonymous true\nlistener 1884\npassword_file /p\nlistener 1885\nallow_anonymous true\nacl_file /a",
		[
			"tcp:port1883 0.0.0.0 :: on",
			"tcp:port1884 127.0.0.1 ::1 loopback",
			"tcp:port1885 127.0.0.1 ::1 loopback",
		],
	],
	[
		"settings of all, wherever they stand",
		"listener 1883\nlistener 1884\nacl_file /a\nallow_anonymous true",
		[
			"tcp:port1883 127.0.0.1 ::1 loopback",
			"tcp:port1884 127.0.0.1 ::1 loopback",
		],
	],
	[
		"addresses, protocols, sockets",
		"allow_anonymous true\nlistener 1883 192.168.1.5\nlistener 1884 fd00::5\nlistener 9001\nprotocol websockets\nsocket_domain ipv4\nlistener 0 /run/mosquitto.sock",
		[
			"tcp:port1883 192.168.1.5 on",
			"tcp:port1884 fd00::5 on",
			"ws:port9001 0.0.0.0 on",
			"unix:local /run/mosquitto.sock loopback",
		],
	],
	[
		"of a network interface",
		"allow_anonymous true\nlistener 1883\nbind_interface eth0\nlistener 1884\nbind_interface eth0\nsocket_domain ipv6\nlistener 1885\nbind_interface wlan7",
		["tcp:port1883 192.168.1.5 fd00::5 on", "tcp:port1884 fd00::5 on"],
	],
	[
		"the old form",
		"port 1884\nbind_address 192.168.1.5\nallow_anonymous true\nmax_connections 7",
		["tcp:default 192.168.1.5 on"],
	],
	[
		"two that would share the loopback addresses",
		"password_file /p\nlistener 1883 127.0.0.1\nlistener 1883 192.168.1.5",
		["tcp:port1883 127.0.0.1 loopback", "tcp:port1883-2 ::1 loopback"],
	],
	[
		"of no known protocol, of no port",
		"allow_anonymous true\nlistener 8080\nprotocol http_api\nlistener 99999\nlistener 1883 not:an:address",
		[],
	],
];

for (const [title, text, expected] of listeners) {
	t.test(`listeners ${title}`, async (t) => {
		const converted = await convert(t, `${text}\n`);
		t.strictSame(await openings(converted), expected);
		const closedToOthers = expected.every((one) => /loopback$|off$/.test(one));
		if (
			closedToOthers &&
			text !== "" &&
			!expected.some((one) => /off$/.test(one))
		)
			t.ok(told(converted, "protected").length > 0, "it is warned of");
	});
}

t.test(
	"keeps what does not exist yet as comments, and no secret",
	async (t) => {
		const converted = await convert(
			t,
			`password_file /etc/mosquitto/passwd
acl_file /etc/mosquitto/acl
listener 8883
certfile /etc/c.pem
keyfile /etc/k.pem
connection cloud
address broker.example.com:8883
topic # both 1 "" house/
remote_username me
remote_password geheim
bridge_psk abcdef0123
bridge_cafile /etc/ca.pem
`,
		);
		const { text } = converted;
		for (const line of [
			"#listener.ssl.port8883 = 0.0.0.0:8883, [::]:8883",
			"#   certfile /etc/c.pem",
			"#   password_file /etc/mosquitto/passwd",
			"#   acl_file /etc/mosquitto/acl",
			'#   topic # both 1 "" house/',
			"#   remote_password ***",
			"#   bridge_psk ***",
			"#   bridge_cafile /etc/ca.pem",
		])
			t.ok(text.includes(line), line);
		t.notMatch(text + JSON.stringify(converted.findings), /geheim|abcdef0123/);
		t.strictSame(told(converted, "later").length, 11);
		t.ok(converted.isBridge("local.pi.cloud"));
		t.notOk(converted.isBridge("local.pi.clouds"));
		t.notOk(converted.isBridge("cloud"));
	},
);

t.test("reads included files in mosquitto's order", async (t) => {
	const converted = await convert(
		t,
		"max_keepalive 1\ninclude_dir FOLDER/conf.d\nlistener 1900\n",
		{
			"b.conf": "max_keepalive 5\n",
			"A.conf": "max_keepalive 3\nlistener 1884\nmax_connections 9\n",
			"01.conf": "max_keepalive 2\n",
			"a.conf": "max_keepalive 4\r\nmax_connections 8\n",
			"B.conf": "# max_keepalive 9\n\n   allow_anonymous   true\n",
			"c.txt": "max_keepalive 6\n",
		},
	);
	t.match(
		converted.findings
			.filter(({ text }) => text.startsWith("max_keepalive"))
			.map(({ text, status }) => `${text} ${status}`),
		[
			"max_keepalive 1 not mapped",
			"max_keepalive 2 not mapped",
			"max_keepalive 3 not mapped",
			"max_keepalive 4 not mapped",
			"max_keepalive 5 mapped",
		],
	);
	const lines = active(converted);
	t.ok(lines.includes("listener.tcp.port1884.max_connections = 9"));
	t.ok(lines.includes("listener.tcp.default.max_connections = 8"));
	t.match(
		converted.findings.find(({ text }) => text === "listener 1884")?.where,
		/conf\.d\/A\.conf:2$/,
	);
});

t.test("values of listeners that are one here", async (t) => {
	const one = await convert(t, "listener 1\nmax_qos 1\nmax_topic_alias 3\n");
	t.match(active(one), ["max_qos = 1", "topic_alias_max_client = 3"]);
	const same = await convert(
		t,
		"listener 1\nmax_qos 1\nlistener 2\nmaximum_qos 1\n",
	);
	t.match(active(same), ["max_qos = 1"]);
	const other = await convert(t, "listener 1\nmax_qos 1\nlistener 2\n");
	t.strictSame(told(other, "not mapped"), ["max_qos 1"]);
});

t.test("every option of mosquitto's manual is in the table", async (t) => {
	const missing = mosquittoOptions.filter(
		(name) => !options.has(name) && !/^(auth|plugin)_opt_/.test(name),
	);
	t.strictSame(missing, []);
	for (const name of mosquittoOptions) {
		const value = name === "include_dir" ? "FOLDER/conf.d" : "1";
		const converted = await convert(t, `listener 1883\n${name} ${value}\n`);
		const found = converted.findings.filter(({ text }) =>
			text.startsWith(`${name} `),
		);
		t.ok(found.length > 0, `${name} is told`);
		t.ok(
			found.some(({ where }) => /mosquitto\.conf:2$/.test(where)),
			`${name} has its place`,
		);
	}
});

t.test("options that mosquitto does not have are told and kept", async (t) => {
	const converted = await convert(t, "max_conections 3\nbridge_cafile /x\n");
	t.strictSame(told(converted, "unknown"), [
		"max_conections 3",
		"bridge_cafile /x",
	]);
	t.match(converted.text, "#   max_conections 3");
});

t.test("says which file cannot be read", async (t) => {
	const folder = t.testdir({ "m.conf": "include_dir /nonexistent/conf.d\n" });
	t.throws(() => readConf("/nonexistent/m.conf"), /cannot read \/nonexistent/);
	t.throws(
		() => readConf(join(folder, "m.conf")),
		/m\.conf:1: cannot read include_dir \/nonexistent\/conf\.d/,
	);
	mkdirSync(join(folder, "folder"));
	t.throws(() => readConf(join(folder, "folder")), /cannot read/);
});
