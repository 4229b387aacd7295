import t from "tap";
import {
	type Launch,
	launchWithHeapLimit,
} from "../../../src/platform/heap-limit.ts";

const script: Launch = {
	execPath: "/opt/node",
	execArgv: ["--expose-gc"],
	argv: ["/opt/node", "/opt/broker.cjs", "-c", "my.conf"],
	env: { HOME: "/root" },
	isSingleExecutable: false,
};
const LIMITS = "--max-old-space-size=114 --max-semi-space-size=2";

t.test("begins again as the same program with the limits", async (t) => {
	t.strictSame(launchWithHeapLimit(script, 114), {
		argv: ["/opt/node", "--expose-gc", "/opt/broker.cjs", "-c", "my.conf"],
		env: { HOME: "/root", MALLOC_ARENA_MAX: "1", NODE_OPTIONS: LIMITS },
	});
	const single: Launch = {
		...script,
		execPath: "/usr/bin/broker",
		argv: ["/usr/bin/broker", "/usr/bin/broker", "-c", "my.conf"],
		isSingleExecutable: true,
	};
	t.strictSame(
		launchWithHeapLimit(single, 114)?.argv,
		["/usr/bin/broker", "-c", "my.conf"],
		"its own flags are inside it, and its name is there once",
	);
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
