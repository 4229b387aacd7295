/**
 * The packages: the same bytes from the same sources, and a bill of materials that is right.
 * Half a minute.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { buildBinary, buildPackage, projectRoot } from "./packages.ts";
import { problemsOf } from "./sbom.ts";

const execute = promisify(execFile);

await buildBinary();
const deb = await buildPackage(t, { kind: "deb" });
const rpm = await buildPackage(t, { kind: "rpm" });

t.test("the same sources give the same bytes", async (t) => {
	t.equal(hashOf(await buildPackage(t, { kind: "deb" })), hashOf(deb));
	t.equal(hashOf(await buildPackage(t, { kind: "rpm" })), hashOf(rpm));
});

t.test("the bill of materials names what is in the binary", async (t) => {
	const name = `broker-linux-${process.arch}`;
	const text = readFileSync(join(dirname(deb), `${name}.cdx.json`), "utf8");
	const bom = JSON.parse(text);
	t.strictSame(problemsOf(bom), []);
	const binary = join(projectRoot, "dist", name);
	t.equal(bom.metadata.component.hashes[0].content, hashOf(binary));
	const { stdout: licences } = await execute(binary, ["--licenses"]);
	const headings: string[] = [];
	for (const { purl, group, name, version } of bom.components)
		if (purl.startsWith("pkg:npm/"))
			headings.push(`${group ? `${group}/` : ""}${name} ${version}`);
	t.ok(
		headings.some((each) => each.startsWith("ws ")),
		headings.join(", "),
	);
	for (const heading of headings) t.match(licences, `\n${heading}\n`);
	const [node] = bom.components;
	for (const { name, version } of node.components)
		t.equal(version, process.versions[name], name);
	t.ok(node.components.length > 15);
});

function hashOf(file: string): string {
	return createHash("sha256").update(readFileSync(file)).digest("hex");
}
