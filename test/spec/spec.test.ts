/** Holds the code and the tests to the tables of requirements. */
import t from "tap";
import { idsIn, traceRequirements } from "./traceability.ts";

t.test(
	"every server requirement is named in the code or in a test",
	async (t) => {
		const missing = traceRequirements().missing.map(({ id }) => id);
		t.strictSame(missing, []);
	},
);

t.test("every id in code and tests is one of the standards'", async (t) => {
	t.strictSame(traceRequirements().unknown, []);
});

t.test("no requirement is in the tables twice", async (t) => {
	const ids = traceRequirements().traces.map(({ id }) => id);
	t.strictSame(
		ids.filter((id, index) => ids.indexOf(id) !== index),
		[],
	);
});

t.test("ids are read alone, in lists and with their version", async (t) => {
	const [five, old, oldest] = [
		["MQTT", "3.3.1", "4"].join("-"),
		["v3.1.1 MQTT", "4.8.2", "4"].join("-"),
		`v3.1 ${"section"} 3.1`,
	];
	t.strictSame(idsIn(`// [${five}, -5] [${old}]`), [
		five,
		five.replace(/4$/, "5"),
		old,
	]);
	t.strictSame(idsIn(`title [${oldest}]`), [oldest]);
	t.strictSame(idsIn("MQTT 5, 2.1.2"), []);
});
