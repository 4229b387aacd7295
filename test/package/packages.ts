/** Packages of this architecture for the tests, of any version. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { TearDown } from "../support/spawn-broker.ts";

export const projectRoot = resolve(import.meta.dirname, "../..");

const execute = promisify(execFile);

export interface PackageOptions {
	readonly kind: "deb" | "rpm";
	/** That of package.json when absent. */
	readonly version?: string;
	/** The newest format of the database that it knows; that of the sources when absent. */
	readonly format?: number;
	/** Of the compression, 1 to 9; 0, which is quick, when absent. */
	readonly level?: number;
}

/** Makes the binary; the packages that are made after it hold it. */
export async function buildBinary(): Promise<void> {
	await run("build.mjs", "build", process.arch);
}

/** @returns the path of the package, which is removed after the test */
export async function buildPackage(
	t: TearDown,
	{ kind, version, format, level = 0 }: PackageOptions,
): Promise<string> {
	const output = mkdtempSync(join(tmpdir(), "broker-package-"));
	t.teardown(() => rmSync(output, { recursive: true }));
	await run(
		...["build.mjs", "package", process.arch, "--has-binaries"],
		...["--output", output, "--level", String(level), "--kinds", kind],
		...(version === undefined ? [] : ["--version", version]),
		...(format === undefined ? [] : ["--format", String(format)]),
	);
	const name = readdirSync(output).find((each) => each.endsWith(kind));
	if (name === undefined) throw new Error(`no .${kind} was made`);
	return join(output, name);
}

async function run(...args: string[]): Promise<void> {
	await execute(process.execPath, args, { cwd: projectRoot });
}
