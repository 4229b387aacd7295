/** `retained.<filter>.write_every`: a topic filter inside a key. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadConfig } from "../../../src/config/config.ts";
import { reloadConfig } from "../../../src/config/reload.ts";
import { writeRules } from "../../../src/config/write-rules.ts";
import { load, optionsOf, problemsOf } from "./load.ts";

t.test("filters stand in the key as in a subscription", async (t) => {
	const file = join(t.testdir(), "broker.conf");
	const filters = [
		"#",
		"house/+/power",
		"zigbee2mqtt/0x00.1f/state",
		"living room/#",
		"+",
		"a.write_every/b",
		"größe/µ",
		"/",
	];
	const lines = filters.map((one) => `retained.${one}.write_every = 1min # x`);
	writeFileSync(file, lines.join("\n"));
	const { settings, origins } = loadConfig(optionsOf({ file }));
	t.strictSame(
		writeRules(settings).map(({ filter, everyMs }) => [filter, everyMs]),
		filters.map((one) => [one, 60_000]),
	);
	const key = "retained.living room/#.write_every";
	t.match(origins.get(key), { where: `${file}:4` });
	const set = load("retained.house/#.write_every=0");
	t.match(writeRules(set.settings), [{ filter: "house/#", everyMs: 0 }]);
});

t.test(
	"what is no topic filter is a mistake, and so is any other end",
	async (t) => {
		const messageOf = (set: string) => problemsOf({ sets: [set] })[0]?.message;
		t.match(
			messageOf("retained.a/#/b.write_every=1s"),
			/"a\/#\/b" has a # that is not its last character: write it as/,
		);
		t.match(messageOf("retained.a+.write_every=1s"), /wildcard inside a level/);
		t.match(messageOf("retained.$share/g/a.write_every=1s"), /shared/);
		t.match(messageOf("retained.a/b.write_evry=1s"), /no such key/);
		t.match(messageOf("retained.write_every=1s"), /no such key/);
		t.match(messageOf("retained.a.write_every=2d"), /from 0 to 1d/);
		t.match(messageOf("listener tcp.default=1"), /is not a key/);
	},
);

t.test("a time that changes nothing leaves a notice", async (t) => {
	t.match(load("retained.a.write_every=5s").notices, [
		{ key: "retained.a.write_every", message: /store.lazy_interval/ },
	]);
	t.strictSame(load("retained.a.write_every=6s").notices, []);
	t.strictSame(load("retained.a.write_every=0").notices, []);
});

t.test("rules come, change and go while the broker runs", async (t) => {
	const file = join(t.testdir(), "broker.conf");
	const write = (text: string) => writeFileSync(file, text);
	write("retained.a/#.write_every = 1min\nretained.b.write_every = 1min\n");
	const config = loadConfig(optionsOf({ file }));
	write("retained.a/#.write_every = 2min\nretained.c.write_every = 1h\n");
	const { changed, needsRestart } = reloadConfig(config);
	t.same(needsRestart, []);
	t.equal(changed.length, 3);
	t.match(writeRules(config.settings), [
		{ filter: "a/#", everyMs: 120_000 },
		{ filter: "c", everyMs: 3_600_000 },
	]);
});
