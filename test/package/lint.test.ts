/** The packages have nothing that Debian's and rpm's checkers mind. Half a minute. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { buildBinary, buildPackage, projectRoot } from "./packages.ts";

const execute = promisify(execFile);

await buildBinary();
const deb = await buildPackage(t, { kind: "deb", level: 1 });
const rpm = await buildPackage(t, { kind: "rpm", level: 1 });

t.test("lintian has nothing to say", async (t) => {
	const args = ["--allow-root", "--tag-display-limit", "0", deb];
	t.equal(await said("lintian", args), "");
});

t.test("rpmlint has nothing to say", async (t) => {
	const config = join(projectRoot, "packaging/rpm/rpmlint.toml");
	t.match(
		await said("rpmlint", ["-c", config, rpm]),
		/ 0 errors, 0 warnings, /,
	);
});

/** On standard output, whatever the exit code. */
async function said(program: string, args: string[]): Promise<string> {
	const { stdout } = await execute(program, args).catch((error) => error);
	return stdout;
}
