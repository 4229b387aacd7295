/** `npm run release` refuses what cannot be released; the Containerfile fits what it leaves. */
import { execFile, execFileSync } from "node:child_process";
import {
	cpSync,
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { startByHand } from "../system/run-broker.ts";
import { until } from "../system/waiting.ts";
import { buildBinary, projectRoot } from "./packages.ts";

const execute = promisify(execFile);
const version = JSON.parse(
	readFileSync(join(projectRoot, "package.json"), "utf8"),
).version;

/** A repository with what the release looks at first. */
function makeProject(changelog: string): string {
	const folder = mkdtempSync(join(tmpdir(), "broker-release-"));
	t.teardown(() => rmSync(folder, { recursive: true }));
	for (const name of ["packaging", "src", "package.json", "package-lock.json"])
		cpSync(join(projectRoot, name), join(folder, name), { recursive: true });
	symlinkSync(join(projectRoot, "node_modules"), join(folder, "node_modules"));
	writeFileSync(join(folder, "CHANGELOG.md"), changelog);
	writeFileSync(join(folder, ".gitignore"), "node_modules\n");
	const git = (...args: string[]) =>
		execFileSync("git", ["-C", folder, ...args]);
	git("init", "-q");
	git("add", "-A");
	const author = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
	git(...author, "commit", "-q", "-m", "everything");
	return folder;
}

/** @returns what it says when it fails, as it must before it has done anything */
async function refusal(folder: string): Promise<string> {
	const script = join(folder, "packaging/dev/release.mjs");
	try {
		await execute(process.execPath, [script], { cwd: folder });
	} catch (error) {
		t.notOk(existsSync(join(folder, "dist")));
		return (error as { stderr: string }).stderr;
	}
	throw new Error("it was released");
}

t.test("a tree that differs from its commit is not released", async (t) => {
	const folder = makeProject(`## [${version}] - 2030-01-01\n\n- all\n`);
	writeFileSync(join(folder, "src/new.ts"), "");
	t.match(await refusal(folder), /differs from it:\n\?\? src\/new\.ts/);
	rmSync(join(folder, "src/new.ts"));
	writeFileSync(join(folder, "package-lock.json"), "{}");
	t.match(await refusal(folder), /differs from it:\n M package-lock\.json/);
});

t.test(
	"neither is a version of which the changelog says nothing",
	async (t) => {
		const missing = makeProject("## [Unreleased]\n\n- new\n");
		t.match(
			await refusal(missing),
			`CHANGELOG.md has no heading for version ${version}`,
		);
		const empty = makeProject(
			`## [${version}] - 2030-01-01\n\n## [0.0.1] - 2029-01-01\n\n- old\n`,
		);
		t.match(
			await refusal(empty),
			`CHANGELOG.md says nothing of version ${version}`,
		);
	},
);

t.test("the notes are the changelog's part of the version", async (t) => {
	const script = `
		import { releaseNotes } from "./packaging/dev/release.mjs";
		console.log(releaseNotes(process.argv[1], "1.2.0"));`;
	const changelog =
		"# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.0] - 2030-01-01\n\n### Added\n\n- now\n\n## [1.1.0] - 2029-01-01\n\n- before\n";
	const { stdout } = await execute(
		process.execPath,
		["--input-type=module", "-e", script, changelog],
		{ cwd: projectRoot },
	);
	t.equal(stdout.trim(), "### Added\n\n- now");
});

t.test(
	"the container's files are in dist/, and its environment is a configuration that answers its health check",
	async (t) => {
		await buildBinary();
		const text = readFileSync(
			join(projectRoot, "packaging/container/Containerfile"),
			"utf8",
		).replaceAll("\\\n", " ");
		const copies = [...text.matchAll(/^COPY (\S+) (\S+)$/gm)];
		t.strictSame(
			copies.map(([, from]) => from),
			["broker-linux-x64", "broker-linux-arm64"],
		);
		for (const [, , to] of copies) t.equal(to, "/usr/bin/broker");
		const env = Object.fromEntries(
			(/^ENV (.*)$/m.exec(text)?.[1] ?? "")
				.trim()
				.split(/\s+/)
				.map((pair) => pair.split("=")),
		);
		const health = JSON.parse(
			/^HEALTHCHECK .*CMD (\[.*\])$/m.exec(text)?.[1] ?? "",
		);
		t.strictSame(health, ["/usr/bin/broker", "ping"]);
		t.strictSame(JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1] ?? ""), [
			"/usr/bin/broker",
		]);

		// The same variables, with places of this test.
		// Not in testdir, whose path is too long for a socket.
		const folder = mkdtempSync(join(tmpdir(), "broker-container-"));
		t.teardown(() => rmSync(folder, { recursive: true }));
		const ours = {
			...env,
			BROKER_LISTENER__TCP__DEFAULT: "127.0.0.1:0",
			BROKER_DATA_DIR: join(folder, "state"),
			CACHE_DIRECTORY: join(folder, "cache"),
		};
		t.strictSame(Object.keys(ours), Object.keys(env), "and no other ones");
		const entry = join(projectRoot, `dist/broker-linux-${process.arch}`);
		const broker = startByHand(t, [], { entry, cwd: folder, env: ours });
		await broker.ready();
		await until(
			() =>
				execute(entry, ["ping"], { env: ours }).then(
					() => true,
					() => false,
				),
			"ping",
		);
		t.pass("healthy");
	},
);
