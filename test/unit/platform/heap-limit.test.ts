import t from "tap";
import {
	givenHeapLimit,
	type Launch,
	launchWithHeapLimit,
} from "../../../src/platform/heap-limit.ts";

const script: Launch = {
	execPath: "/opt/node",
	execArgv: ["--expose-gc"],
	argv: ["/opt/node", "/opt/broker.cjs", "-c", "my.conf"],
	env: { HOME: "/root" },
};
const LIMITS = "--max-old-space-size=114 --max-semi-space-size=2";

t.test("begins again as the same program with the limits", async (t) => {
	t.strictSame(launchWithHeapLimit(script, 114), {
		argv: ["/opt/node", "--expose-gc", "/opt/broker.cjs", "-c", "my.conf"],
		env: { HOME: "/root", MALLOC_ARENA_MAX: "1", NODE_OPTIONS: LIMITS },
	});
});

t.test("does not begin again twice, nor against other words", async (t) => {
	const withOptions = (NODE_OPTIONS: string) =>
		launchWithHeapLimit({ ...script, env: { NODE_OPTIONS } }, 114);
	t.equal(withOptions(LIMITS), null);
	t.equal(withOptions("--max_old_space_size=2000"), null);
	t.equal(
		launchWithHeapLimit(
			{ ...script, execArgv: ["--max-old-space-size=99"] },
			114,
		),
		null,
	);
	t.strictSame(
		withOptions("--max-semi-space-size=16 --no-warnings")?.env.NODE_OPTIONS,
		"--max-semi-space-size=16 --no-warnings --max-old-space-size=114",
	);
	const own = { ...script, env: { MALLOC_ARENA_MAX: "4" } };
	t.equal(launchWithHeapLimit(own, 114)?.env.MALLOC_ARENA_MAX, "4");
});

t.test("what the environment asks for is found", (t) => {
	t.equal(givenHeapLimit(""), null);
	t.equal(givenHeapLimit("--max-semi-space-size=16 --no-warnings"), null);
	t.equal(givenHeapLimit(LIMITS), 114);
	t.equal(givenHeapLimit("--no-warnings --max_old_space_size 2000"), 2000);
	t.end();
});
