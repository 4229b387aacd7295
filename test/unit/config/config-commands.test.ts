import t from "tap";
import {
	checkConfig,
	showConfig,
	showSchema,
} from "../../../src/cli/config-commands.ts";
import { optionsOf } from "./load.ts";

class Page {
	text = "";
	write(text: string): void {
		this.text += text;
	}
}

const nothing = { keys: [], all: false, json: false };

t.test(
	"--check-config prints every mistake with its place and fails",
	async (t) => {
		const file = `${t.testdir({ "b.conf": "max_qos = 7\n\nlog.levle = info\n" })}/b.conf`;
		const page = new Page();
		t.equal(checkConfig(optionsOf({ file }), page), 1);
		t.equal(
			page.text,
			`${file}:1: max_qos = 7: must be a whole number from 0 to 2\n` +
				`${file}:3: log.levle = info: there is no such key; did you mean log.level?\n` +
				"configuration is not valid: 2 mistakes\n",
		);
	},
);

t.test("--check-config says what is valid and does not act", async (t) => {
	const page = new Page();
	const sets = ["graphite_enabled=on", "listener.tcp.default=127.0.0.1:1"];
	t.equal(checkConfig(optionsOf({ sets }), page), 0);
	t.match(page.text, "note: --set: graphite_enabled: does not act yet");
	t.match(page.text, "configuration is valid: 2 keys set, read from no file");
	t.match(page.text, "tcp:default 127.0.0.1:1");
});

t.test("config show names each value and where it is from", async (t) => {
	const options = optionsOf({
		sets: ["max_qos=1", "distributed_cookie=monster"],
		env: { BROKER_MAX_MESSAGE_SIZE: "1024" },
	});
	const page = new Page();
	t.equal(showConfig(options, nothing, page), 0);
	t.match(page.text, /^max_qos +1 +command line$/m);
	t.match(
		page.text,
		/^max_message_size +1KB +environment BROKER_MAX_MESSAGE_SIZE$/m,
	);
	t.match(
		page.text,
		/^distributed_cookie +\*\*\* +command line \(does not act\)$/m,
	);
	t.notMatch(page.text, "monster");
	t.notMatch(page.text, "retry_interval");
});

t.test("config show --all has the defaults", async (t) => {
	const page = new Page();
	t.equal(showConfig(optionsOf(), { ...nothing, all: true }, page), 0);
	t.match(
		page.text,
		/^listener.tcp.default +127.0.0.1:1883, \[::1\]:1883 +default$/m,
	);
	t.match(page.text, /^retry_interval +20s +default$/m);
	t.match(page.text, /^max_message_rate +unlimited +default$/m);
	t.match(page.text, /^response_information +"" +default$/m);
	const empty = new Page();
	showConfig(optionsOf(), nothing, empty);
	t.match(empty.text, "nothing is set");
});

t.test(
	"config show KEY follows the levels of a listener, as JSON too",
	async (t) => {
		const page = new Page();
		const options = optionsOf({ sets: ["listener.tcp.max_connections=5"] });
		const keys = [
			"listener.tcp.default.max_connections",
			"listener.ws.default.max_connections",
			"listener.tcp.default",
			"graphite_port",
		];
		t.equal(showConfig(options, { keys, all: false, json: true }, page), 0);
		t.match(JSON.parse(page.text), [
			{ value: "5", origin: { kind: "command line" }, acts: true },
			{ value: "10000", origin: { kind: "default" } },
			{ value: "127.0.0.1:1883, [::1]:1883" },
			{ value: "2003", acts: false },
		]);
	},
);

t.test("config show fails for a key that does not exist", async (t) => {
	const page = new Page();
	const keys = ["max_qoz", "listener.tcp.kitchen", "zzzzzzzzzzzz"];
	t.equal(showConfig(optionsOf(), { ...nothing, keys }, page), 1);
	t.match(page.text, "did you mean max_qos?");
	t.equal(showConfig(optionsOf({ sets: ["x"] }), nothing, page), 1);
});

t.test("config schema is the table as JSON [VD004]", async (t) => {
	const page = new Page();
	t.equal(showSchema([], page), 0);
	const rows: unknown[] = JSON.parse(page.text);
	t.match(
		rows.find((row) => (row as { key: string }).key === "max_qos"),
		{ type: "integer", default: "2", runtime: true, status: "active" },
	);
});
