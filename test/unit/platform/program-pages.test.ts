import { readFileSync } from "node:fs";
import t from "tap";
import {
	releaseProgramPages,
	unchangedFileRanges,
} from "../../../src/platform/program-pages.ts";

function mapping(head: string, anonymousKb: number): string {
	return `${head}\nSize:   8 kB\nRss:    8 kB\nAnonymous:   ${anonymousKb} kB\nVmFlags: rd mr\n`;
}

t.test("only pages of files that are as they are in the file", async (t) => {
	const smaps = [
		mapping("400000-402000 r-xp 00000000 fe:00 77   /usr/bin/broker", 0),
		mapping("402000-404000 r--p 00002000 fe:00 77   /usr/bin/broker", 0),
		mapping("404000-406000 r--p 00004000 fe:00 77   /usr/bin/broker", 8),
		mapping("406000-408000 rw-p 00006000 fe:00 77   /usr/bin/broker", 0),
		mapping("7f0000000000-7f0000002000 rw-s 00000000 00:1 9  /a-shm", 0),
		mapping("7f0000004000-7f0000006000 r--s 00000000 00:1 9  /a-shm", 0),
		mapping("7f1000000000-7f1000002000 r-xp 00000000 00:00 0", 0),
		mapping("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [v]", 0),
	].join("");
	t.strictSame(unchangedFileRanges(smaps), [
		[0x400000n, 0x402000n],
		[0x402000n, 0x404000n],
	]);
	t.strictSame(unchangedFileRanges(""), []);
});

t.test("the process is smaller, and works as before", async (t) => {
	const before = fileBytes();
	releaseProgramPages();
	t.ok(fileBytes() < before, `${fileBytes()} of ${before} kB`);
	t.equal(new Intl.NumberFormat("en").format(1234.5), "1,234.5");
	releaseProgramPages();
});

/** In kB. */
function fileBytes(): number {
	const status = readFileSync("/proc/self/status", "utf8");
	return Number(/RssFile:\s+(\d+)/.exec(status)?.[1]);
}
