/** `npm run build`: the same broker in one file, the same bytes from the same sources. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
	existsSync,
	linkSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { heapLimitMegabytes } from "../../src/broker/memory-plan.ts";
import { startByHand } from "../system/run-broker.ts";
import {
	offersCommandsOnly,
	place,
	runStartScenarios,
} from "../system/start-scenarios.ts";
import { until } from "../system/waiting.ts";

const execute = promisify(execFile);
const projectRoot = resolve(import.meta.dirname, "../..");
const binary = join(projectRoot, `dist/broker-linux-${process.arch}`);
const other = process.arch === "x64" ? "arm64" : "x64";

await build();
const first = { ours: hashOf(process.arch), other: hashOf(other) };
await build();
t.strictSame(
	{ ours: hashOf(process.arch), other: hashOf(other) },
	first,
	"a second build gives the same bytes",
);

t.test("nothing in it tells where it was built", (t) => {
	t.notOk(readFileSync(binary).includes(projectRoot));
	t.end();
});

runStartScenarios(t, { entry: binary, cwd: tmpdir() });

t.test(
	"V8's limits follow from memory_limit without a second start",
	async (t) => {
		const folder = t.testdir();
		const file = join(folder, "report");
		const broker = startByHand(
			t,
			[...place(join(folder, "data")), "--set", "memory_limit=160MB"],
			{ entry: binary, env: { TEST_REPORT_FILE: file } },
		);
		await broker.ready();
		const environment = readFileSync(`/proc/${broker.pid}/environ`, "latin1");
		t.notMatch(environment, "max-old-space-size");
		broker.child.kill("SIGUSR2");
		await until(() => existsSync(file), "the report");
		const { heapCeilingMegabytes } = JSON.parse(readFileSync(file, "utf8"));
		const expected = heapLimitMegabytes(160 * 1024 * 1024);
		t.ok(heapCeilingMegabytes >= expected, `${heapCeilingMegabytes} MB`);
		t.ok(heapCeilingMegabytes < expected + 16, `${heapCeilingMegabytes} MB`);
	},
);

t.test("it runs without a home and with an empty environment", async (t) => {
	const folder = mkdtempSync(join(tmpdir(), "broker-"));
	t.teardown(() => rmSync(folder, { recursive: true }));
	const { stdout } = await execute(binary, ["--version"], {
		env: {},
		cwd: folder,
	});
	t.match(stdout, /^broker \d/);
});

t.test("called as brokerctl it has the same commands", async (t) => {
	const folder = mkdtempSync(join(projectRoot, "dist/names-"));
	t.teardown(() => rmSync(folder, { recursive: true }));
	const link = join(folder, "brokerctl");
	symlinkSync(binary, link);
	await offersCommandsOnly(t, "by a link", { entry: link });
	rmSync(link);
	linkSync(binary, link);
	await offersCommandsOnly(t, "by its own name", { entry: link });
	rmSync(link);
	symlinkSync(binary, link);
	const { stdout } = await execute("brokerctl", [], {
		env: { PATH: folder },
		cwd: tmpdir(),
	});
	t.match(stdout, /^Usage: brokerctl/, "found on the PATH");
});

async function build(): Promise<void> {
	const script = join(projectRoot, "build.mjs");
	await execute(process.execPath, [script, "build"], { cwd: projectRoot });
}

function hashOf(arch: string): string {
	const path = join(projectRoot, `dist/broker-linux-${arch}`);
	return createHash("sha256").update(readFileSync(path)).digest("hex");
}
