/** The addon of the single binary becomes a file that can be loaded, or a person is told why not. */
import {
	chmodSync,
	existsSync,
	readdirSync,
	readFileSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { unpackAddon } from "../../../src/store/sqlite-addon.ts";

const addon = Buffer.from("not really machine code");
const loadsAll = () => {};

t.test("the first folder that can be used gets the file, once", (t) => {
	const folder = t.testdir({ file: "in the way" });
	const cache = join(folder, "cache");
	const folders = [join(folder, "file"), cache, join(folder, "other")];
	const path = unpackAddon(addon, folders, loadsAll);
	t.match(path, `${cache}/`);
	t.strictSame(readFileSync(path), addon);
	t.equal(statSync(cache).mode & 0o777, 0o700);
	const { ino } = statSync(path);
	t.equal(unpackAddon(addon, folders, loadsAll), path);
	t.equal(statSync(path).ino, ino, "it was not written again");
	t.equal(readdirSync(cache).length, 1);
	t.notOk(existsSync(join(folder, "other")));
	t.end();
});

t.test("a file of the package is used when it is the right one", (t) => {
	const folder = t.testdir({ "better_sqlite3.node": addon });
	const packaged = join(folder, "better_sqlite3.node");
	t.equal(unpackAddon(addon, [folder], loadsAll), packaged);
	writeFileSync(packaged, "of another version");
	t.not(unpackAddon(addon, [folder], loadsAll), packaged);
	t.end();
});

t.test("a damaged copy is replaced", (t) => {
	const folder = t.testdir();
	const path = unpackAddon(addon, [folder], loadsAll);
	chmodSync(path, 0o700);
	writeFileSync(path, "cut sho");
	t.equal(unpackAddon(addon, [folder], loadsAll), path);
	t.strictSame(readFileSync(path), addon);
	t.end();
});

t.test("a folder that others can write to is not used", (t) => {
	const folder = t.testdir({ open: {}, own: {} });
	chmodSync(join(folder, "open"), 0o777);
	const folders = [join(folder, "open"), join(folder, "own")];
	t.match(unpackAddon(addon, folders, loadsAll), `${folder}/own/`);
	t.strictSame(readdirSync(join(folder, "open")), []);
	t.end();
});

t.test("where loading fails (noexec) the next folder is tried", (t) => {
	const folder = t.testdir({ noexec: {}, fine: {} });
	const load = (path: string) => {
		if (path.includes("/noexec/")) throw new Error("failed to map segment");
	};
	const folders = [join(folder, "noexec"), join(folder, "fine")];
	t.match(unpackAddon(addon, folders, load), `${folder}/fine/`);
	t.end();
});

t.test("the error names each folder and what to do", (t) => {
	const folder = t.testdir({ one: {}, two: "a file" });
	const folders = [join(folder, "one"), join(folder, "two")];
	const load = () => {
		throw new Error("failed to map segment");
	};
	t.throws(() => unpackAddon(addon, folders, load), {
		message:
			/no folder can be used \(.*one: failed to map segment; .*two: .*\); make one of them writable/,
	});
	t.end();
});
