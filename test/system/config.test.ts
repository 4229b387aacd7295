/** The configuration as an operator meets it: checked, shown, refused. */
import { join } from "node:path";
import t from "tap";
import { type Ended, runBroker } from "./run-broker.ts";

t.test("--check-config prints every mistake with file and line", async (t) => {
	const folder = t.testdir({
		"broker.conf": [
			"# a comment",
			"max_qos = 7",
			"allow_anonymus = off",
			"just words",
			"listener.tcp.default = 127.0.0.1:99999",
			"connect_timeout = 5 parsecs",
			"",
		].join("\n"),
		"conf.d": { "50-more.conf": "\nlog.level = loud\n" },
	});
	const file = join(folder, "broker.conf");
	const { code, stdout } = await runBroker(t, ["--check-config", "-c", file], {
		env: { BROKER_MAX_INFLIGHT_MESSAGES: "many" },
	});
	t.ok(code, "exits with an error");
	const line = (start: string) =>
		stdout.split("\n").find((each) => each.startsWith(start)) ?? "";
	t.match(line(`${file}:2:`), /max_qos = 7.*from 0 to 2/);
	t.match(line(`${file}:3:`), /allow_anonymus.*allow_anonymous/);
	t.match(line(`${file}:4:`), "key = value");
	t.match(line(`${file}:5:`), "99999");
	t.match(line(`${file}:6:`), "parsecs");
	t.match(line(`${join(folder, "conf.d/50-more.conf")}:2:`), /loud.*debug/);
	t.match(line("BROKER_MAX_INFLIGHT_MESSAGES:"), "many");
	t.match(stdout, /7 mistakes/);
});

t.test("--check-config says what is fine, and what does not act", async (t) => {
	const folder = t.testdir({
		"broker.conf": "max_qos = 1\nplugins.vmq_passwd = on\n",
	});
	const file = join(folder, "broker.conf");
	const ended = await runBroker(t, ["--check-config", "-c", file]);
	t.equal(ended.code, 0);
	t.match(ended.stdout, "configuration is valid");
	t.match(ended.stdout, new RegExp(`note: ${file}:2: plugins.vmq_passwd`));
});

t.test("an unknown key stops the start", async (t) => {
	const folder = t.testdir({
		"broker.conf": "data_dir = data\nallow_anonymus = off\n",
	});
	const file = join(folder, "broker.conf");
	const places: Array<[string, Promise<Ended>]> = [
		["the file", runBroker(t, ["-c", file], { cwd: folder })],
		["--set", runBroker(t, ["--set", "allow_anonymus=off"], { cwd: folder })],
		[
			"environment",
			runBroker(t, [], { cwd: folder, env: { BROKER_ALLOW_ANONYMUS: "off" } }),
		],
	];
	for (const [where, running] of places) {
		const ended = await running;
		t.ok(ended.code, `${where}: exits with an error`);
		t.match(ended.stderr, /allow_anonymus.*did you mean .*allow_anonymous/i);
		t.notMatch(ended.stderr, "listening");
	}
});

t.test("a configuration file that is not there stops the start", async (t) => {
	const file = join(t.testdir(), "none.conf");
	const ended = await runBroker(t, ["-c", file]);
	t.ok(ended.code, "exits with an error");
	t.match(ended.stderr, new RegExp(`${file}.*does not exist`));
});

t.test("config show says where each value comes from", async (t) => {
	const folder = t.testdir({
		"broker.conf": "max_qos = 1\nmax_topic_levels = 9\nlog.level = debug\n",
		"conf.d": { "10.conf": "max_topic_levels = 8\nconnect_timeout = 3s\n" },
	});
	const file = join(folder, "broker.conf");
	const args = ["config", "show", "-c", file];
	const options = { env: { BROKER_LOG__LEVEL: "warning" } };
	const set = ["--set", "connect_timeout=4s"];
	const shown = await runBroker(t, [...args, ...set], options);
	t.equal(shown.code, 0);
	const row = (key: string) =>
		shown.stdout.split("\n").find((line) => line.startsWith(`${key} `)) ?? "";
	t.match(row("max_qos"), new RegExp(`\\s1\\s+file ${file}:1$`));
	const included = join(folder, "conf.d/10.conf");
	t.match(
		row("max_topic_levels"),
		new RegExp(`\\s8\\s+include ${included}:1$`),
	);
	t.match(row("log.level"), /\swarning\s+environment BROKER_LOG__LEVEL$/);
	t.match(row("connect_timeout"), /\s4s\s+command line$/);
	t.notMatch(shown.stdout, "max_packet_size", "defaults only with --all");

	const all = await runBroker(t, [...args, "--all", "--json"], options);
	const rows = JSON.parse(all.stdout) as Array<{
		key: string;
		value: string;
		origin: { kind: string };
	}>;
	const byKey = new Map(rows.map((each) => [each.key, each]));
	t.equal(byKey.get("max_packet_size")?.origin.kind, "default");
	t.equal(byKey.get("max_packet_size")?.value, "11MB");
	t.equal(byKey.get("connect_timeout")?.origin.kind, "include");
	t.equal(byKey.get("max_qos")?.origin.kind, "file");
});
