/**
 * The import rule: a file imports its own folder or one of a lower rank. This is
 * what keeps the protocol free of sockets, and every extension removable.
 */
import { dirname, join } from "node:path";
import t from "tap";
import { readSources, type SourceFile } from "./sources.ts";

/** Folders of src/ by rank; those of one rank do not import each other. */
const ranks: Readonly<Record<string, number>> = {
	protocol: 0,
	platform: 0,
	config: 1,
	topics: 1,
	store: 1,
	transport: 1,
	credentials: 1,
	session: 2,
	broker: 3,
	connection: 4,
	extensions: 5,
	cli: 5,
};

/** Beside its own folder, all that an extension sees of the project. */
const openToExtensions =
	/^(broker\/broker-api\.ts$|(transport|protocol|credentials|platform)\/)/;

/** Packages that only these files of src/ may import. */
const reservedPackages: Readonly<Record<string, RegExp>> = {
	"better-sqlite3": /^store\//,
	"mqtt-packet": /^protocol\//,
	ws: /^transport\//,
};

/** Files of store/ that run on the main thread: SQLite would block it there. */
const mainThreadOfStore =
	/^store\/(store|store-client|start-worker|commit-ticket|stored-message)\.ts$/;

interface Import {
	readonly from: string;
	readonly to: string;
	readonly typeOnly: boolean;
	/** Loaded when the code comes there. */
	readonly isCall: boolean;
}

t.test(
	"every import goes to the file's own folder or to a lower rank",
	async (t) => {
		t.strictSame(relativeImports().filter(breaksRank).map(describe), []);
	},
);

t.test(
	"an extension imports the broker's interface and no other extension",
	async (t) => {
		const wrong = relativeImports().filter(({ from, to }) => {
			const own = extensionOf(from);
			return (
				own !== null && extensionOf(to) !== own && !openToExtensions.test(to)
			);
		});
		t.strictSame(wrong.map(describe), []);
	},
);

t.test("SQLite is reached from the store's worker only", async (t) => {
	const wrong = packageImports().filter(({ from, to }) => {
		const allowed = reservedPackages[to];
		return allowed !== undefined && !allowed.test(from);
	});
	t.strictSame(wrong.map(describe), []);
	const reach = filesThatReach("better-sqlite3");
	t.strictSame(
		reach.filter(
			(path) => mainThreadOfStore.test(path) || !path.startsWith("store/"),
		),
		[],
	);
});

t.test("the running broker does not load doctor and bench", async (t) => {
	for (const folder of ["cli/doctor/", "cli/bench/"]) {
		const isIn = (path: string) => path.startsWith(folder);
		const entries = relativeImports().filter(
			({ from, to }) => isIn(to) && !isIn(from),
		);
		t.ok(entries.length > 0);
		t.strictSame(entries.filter(({ isCall }) => !isCall).map(describe), []);
	}
});

function breaksRank({ from, to }: Import): boolean {
	const [folder = "", target = ""] = [topFolder(from), topFolder(to)];
	if (folder === "" || folder === target) return false;
	const [rank, targetRank] = [ranks[folder], ranks[target]];
	return rank === undefined || targetRank === undefined || targetRank >= rank;
}

/** Files that load `name` when they are run, themselves or through others (types do not count). */
function filesThatReach(name: string): string[] {
	const reached = new Set(
		packageImports()
			.filter((one) => one.to === name && !one.typeOnly)
			.map((one) => one.from),
	);
	const links = relativeImports().filter((one) => !one.typeOnly);
	for (let size = -1; size !== reached.size; ) {
		size = reached.size;
		for (const { from, to } of links) if (reached.has(to)) reached.add(from);
	}
	return [...reached].sort();
}

function relativeImports(): Import[] {
	return readSources()
		.flatMap(importsOf)
		.filter(({ to }) => to.startsWith("."))
		.map((one) => ({ ...one, to: join(dirname(one.from), one.to) }));
}

function packageImports(): Import[] {
	return readSources()
		.flatMap(importsOf)
		.filter(({ to }) => !to.startsWith("."));
}

/** Static imports, re-exports, dynamic imports and require calls with a literal. */
function importsOf({ path, text }: SourceFile): Import[] {
	const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
	const statements =
		/^\s*(?:import|export)\b(\s+type\b)?[^;"'`]*?["']([^"']+)["']/gm;
	const calls = /\b(?:import|require)\(\s*["']([^"']+)["']/g;
	return [
		...[...code.matchAll(statements)].map(([, typeOnly, to = ""]) => ({
			from: path,
			to,
			typeOnly: typeOnly !== undefined,
			isCall: false,
		})),
		...[...code.matchAll(calls)].map(([, to = ""]) => ({
			from: path,
			to,
			typeOnly: false,
			isCall: true,
		})),
	];
}

/** "protocol" for protocol/publish.ts; "" for main.ts and compose.ts, which may import everything. */
function topFolder(path: string): string {
	return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** The extension a file belongs to; null outside extensions/ and for its index.ts. */
function extensionOf(path: string): string | null {
	return /^extensions\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function describe({ from, to }: Import): string {
	return `${from} imports ${to}`;
}
