/** V8's ceiling is lowered in a process of its own: it holds for all that comes after. */
import { spawnSync } from "node:child_process";
import t from "tap";

const module = new URL("../../../src/platform/heap-ceiling.ts", import.meta.url)
	.href;

function run(program: string): { status: number | null; stdout: string } {
	const words = `import { heapCeilingMegabytes, lowerHeapCeiling, useOneArena } from ${JSON.stringify(module)}; ${program}`;
	const flags = ["--max-old-space-size=1000", "--max-semi-space-size=2"];
	const { status, stdout } = spawnSync(
		process.execPath,
		[...flags, "--input-type=module", "--eval", words],
		{ encoding: "utf8", env: {} },
	);
	return { status, stdout };
}

t.test("a ceiling is lowered, and cannot be raised again", async (t) => {
	const { stdout } = run(
		"useOneArena(); console.log(lowerHeapCeiling(64), heapCeilingMegabytes(), lowerHeapCeiling(500), heapCeilingMegabytes())",
	);
	const [isSet, first, isAgain, second] = stdout.trim().split(" ");
	t.equal(isSet, "true");
	t.ok(Number(first) >= 64 && Number(first) < 80, `${first} MB`);
	t.equal(isAgain, "true", "a lower one will do");
	t.equal(second, first);
});

t.test("a leak ends the process there", async (t) => {
	const leak =
		"const all = []; for (;;) { all.push(new Array(1000).fill({})); if (all.length % 1000 === 0) console.log(all.length * 8e3) }";
	const { status, stdout } = run(`lowerHeapCeiling(64); ${leak}`);
	t.not(status, 0);
	const leaked = Number(stdout.trim().split("\n").at(-1));
	t.ok(leaked > 24e6 && leaked < 80e6, `after ${leaked} bytes`);
});

t.test("a thread's ceiling is its own", async (t) => {
	const inThread = `import(${JSON.stringify(module)}).then(({ heapCeilingMegabytes, lowerHeapCeiling }) => { lowerHeapCeiling(64); console.log(heapCeilingMegabytes()) })`;
	const { stdout } = run(
		`new (await import("node:worker_threads")).Worker(${JSON.stringify(inThread)}, { eval: true }).on("exit", () => console.log(heapCeilingMegabytes()))`,
	);
	const [thread, main] = stdout.trim().split("\n").map(Number);
	t.ok(Number(thread) >= 64 && Number(thread) < 80, `${thread} MB`);
	t.ok(Number(main) > 900, `${main} MB`);
});
