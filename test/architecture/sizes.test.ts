/**
 * Long files and functions are where a code base becomes hard to read; the limits
 * are on the tail. A file or function that is a pure table is excused by name.
 */
import { join } from "node:path";
import t from "tap";
import {
	type Node,
	type SourceFile,
	SyntaxKind,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";
import { projectFolder, readSources } from "./sources.ts";

const maxFileLines = 330;
const maxFunctionLines = 80;
const p95FunctionLines = 50;

/** Tables: one row per key, column or code, and no logic to follow. */
const excused = [
	/^config\/schema[^/]*\.ts$/,
	/^store\/schema\.ts createTables$/,
];

interface FunctionSize {
	/** `protocol/publish.ts decodePublish`. */
	readonly name: string;
	readonly lines: number;
}

const functionKinds = new Set<SyntaxKind>([
	SyntaxKind.FunctionDeclaration,
	SyntaxKind.FunctionExpression,
	SyntaxKind.ArrowFunction,
	SyntaxKind.MethodDeclaration,
	SyntaxKind.Constructor,
	SyntaxKind.GetAccessor,
	SyntaxKind.SetAccessor,
]);

t.test(`no source file is longer than ${maxFileLines} lines`, async (t) => {
	const long = readSources()
		.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
		.filter(({ path, lines }) => lines > maxFileLines && !isExcused(path));
	t.strictSame(long, []);
});

t.test(
	`no function is longer than ${maxFunctionLines} lines, and 95 % are at most ${p95FunctionLines}`,
	async (t) => {
		const sizes = measureFunctions();
		t.strictSame(
			sizes.filter(({ lines }) => lines > maxFunctionLines),
			[],
		);
		const sorted = sizes.map(({ lines }) => lines).sort((a, b) => a - b);
		const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? 0;
		t.ok(
			p95 <= p95FunctionLines,
			`95 % of the functions have at most ${p95} lines`,
		);
	},
);

function measureFunctions(): FunctionSize[] {
	const api = new API({ cwd: projectFolder });
	try {
		const config = join(projectFolder, "tsconfig.json");
		const program = api
			.updateSnapshot({ openProjects: [config] })
			.getProject(config)?.program;
		if (program === undefined) throw new Error(`${config} was not loaded`);
		return readSources().flatMap(({ path }) => {
			const file = program.getSourceFile(join(projectFolder, "src", path));
			return file === undefined || isExcused(path)
				? []
				: functionsOf(file, path);
		});
	} finally {
		api.close();
	}
}

function functionsOf(file: SourceFile, path: string): FunctionSize[] {
	const found: FunctionSize[] = [];
	const visit = (node: Node, owner: string): void => {
		const name = nameOf(node) ?? owner;
		if (functionKinds.has(node.kind)) {
			const text = file.text.slice(node.getStart(file), node.end);
			const fullName = `${path} ${name}`;
			if (!isExcused(fullName))
				found.push({ name: fullName, lines: text.split("\n").length });
		}
		node.forEachChild((child) => visit(child, name));
	};
	visit(file, "");
	return found;
}

function nameOf(node: Node): string | undefined {
	const { name } = node as Node & { name?: { text?: string } };
	return node.kind === SyntaxKind.Constructor ? "constructor" : name?.text;
}

/** `name` is a path below src/, or a path and a function. */
function isExcused(name: string): boolean {
	return excused.some((pattern) => pattern.test(name));
}
