import { readFileSync } from "node:fs";
import t from "tap";
import { loadConfig } from "../../../src/config/config.ts";
import { renderConfig } from "../../../src/config/render.ts";
import { coreFragments } from "../../../src/config/schema.ts";
import { optionsOf } from "./load.ts";

const text = renderConfig(coreFragments);

t.test("broker.conf is what the table gives", async (t) => {
	const file = new URL("../../../broker.conf", import.meta.url);
	t.equal(
		readFileSync(file, "utf8"),
		text,
		"make it again: node src/config/render.ts > broker.conf",
	);
});

t.test("broker.conf as it is changes nothing", async (t) => {
	const file = `${t.testdir({ "broker.conf": text })}/broker.conf`;
	const config = loadConfig(optionsOf({ file }));
	t.equal(config.entries.size, 0);
	t.same(config.settings, loadConfig(optionsOf()).settings);
});

t.test(
	"broker.conf with every line switched on says the defaults",
	async (t) => {
		const on = text.replaceAll(/^#(?=[a-z])/gm, "");
		const folder = t.testdir({ "broker.conf": on, "conf.d": {} });
		const config = loadConfig(
			optionsOf({ file: `${folder}/broker.conf`, underSystemd: true }),
		);
		const defaults = loadConfig(optionsOf({ underSystemd: true }));
		const example = "retained.meters/+/power.write_every";
		t.same(config.settings, { ...defaults.settings, [example]: 60_000 });
		t.same(
			config.listeners.filter((one) => one.transport !== "unix"),
			defaults.listeners,
		);
		t.same(config.notices, []);
		t.ok(config.entries.size > 50);
	},
);

t.test("lines fit a terminal and every active key has its line", async (t) => {
	const lines = text.split("\n");
	t.same(
		lines.filter((line) => line.length > 80),
		[],
	);
	for (const field of coreFragments.flatMap(({ fields }) => fields)) {
		if (field.status !== undefined && field.status !== "active") continue;
		const line = `#${field.example ?? `${field.key} = `}`;
		t.equal(lines.filter((one) => one.startsWith(line)).length, 1, line);
	}
});
