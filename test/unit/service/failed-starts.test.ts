import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { describeStarts, FailedStarts } from "../../../src/failed-starts.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** No process has such a number. */
const GONE = 99_999_999;
const MINUTE_MS = 60_000;

function setUp(t: Test) {
	const folder = t.testdir();
	const clock = new FakeClock();
	let pid = GONE;
	/** A start of its own, a moment after the one before. */
	const start = (boot = "boot", folders = [folder]) => {
		clock.advance(1000);
		return new FailedStarts(folders, clock, boot, ++pid);
	};
	return { folder, clock, start, file: join(folder, "starts.json") };
}

t.test(
	"starts that were killed count until one runs for a minute",
	async (t) => {
		const { clock, start, file } = setUp(t);
		for (const count of [0, 1, 2]) {
			const starts = start();
			t.equal(starts.inARow().length, count);
			starts.begin();
			starts.ready();
			clock.suspend(0);
		}
		const good = start();
		t.equal(good.inARow().length, 3);
		good.begin();
		good.ready();
		clock.advance(MINUTE_MS + 1);
		const next = start();
		t.strictSame(next.inARow(), []);
		t.ok(next.wasKilled, "it did not stop in order either");
		next.begin();
		next.stopped();
		t.notOk(existsSync(file), "nothing is left of those that stop in order");
		t.notOk(start().wasKilled);
	},
);

t.test("an end whose reason is known is told", async (t) => {
	const { start } = setUp(t);
	const first = start();
	first.begin();
	first.noteEnd("the store's worker thread died");
	const second = start();
	second.begin();
	t.match(
		describeStarts(start().inARow()),
		/^2026-11-20T10:00:01\.000Z \(the store's worker thread died\), 2026-11-20T10:00:02\.000Z \(killed, or no reason known\)$/,
	);
});

t.test("an end after the first minute does not count", async (t) => {
	const { clock, start } = setUp(t);
	const starts = start();
	starts.begin();
	starts.ready();
	clock.advance(MINUTE_MS + 1);
	starts.noteEnd("a bug");
	t.strictSame(start().inARow(), []);
});

t.test(
	"a power cut is no failure; a known reason is, whatever came after",
	async (t) => {
		const { start } = setUp(t);
		const cut = start("first boot");
		cut.begin();
		const failed = start("first boot");
		failed.begin();
		failed.noteEnd("a bug");
		const after = start("second boot");
		t.equal(after.inARow().length, 1);
		t.ok(after.wasKilled);
	},
);

t.test("a start that was refused takes back its own note only", async (t) => {
	const { start, file } = setUp(t);
	start().begin();
	const before = readFileSync(file, "utf8");
	const refused = start();
	refused.begin();
	refused.retract();
	refused.stopped();
	t.equal(readFileSync(file, "utf8"), before);
});

t.test("a broker that runs is no failed start of another", async (t) => {
	const { folder, clock, start } = setUp(t);
	new FailedStarts([folder], clock, "boot", process.ppid).begin();
	const rival = start();
	t.strictSame(rival.inARow(), []);
	t.notOk(rival.wasKilled);
	rival.begin();
	rival.retract();
	t.match(readFileSync(join(folder, "starts.json"), "utf8"), `${process.ppid}`);
});

t.test(
	"without a folder that can be written the next one is used, or none",
	async (t) => {
		const { folder, start } = setUp(t);
		writeFileSync(join(folder, "a-file"), "");
		const runtime = join(folder, "runtime");
		mkdirSync(runtime);
		const folders = [join(folder, "a-file"), runtime];
		start("boot", folders).begin();
		t.equal(start("boot", folders).inARow().length, 1);
		const none = start("boot", [join(folder, "a-file")]);
		none.begin();
		none.ready();
		none.noteEnd("a bug");
		none.stopped();
		t.strictSame(none.inARow(), []);
	},
);

t.test("a damaged file is none", async (t) => {
	const { start, file } = setUp(t);
	for (const text of ["", "[{", '{"a":1}', '[{"pid":1}]', "[null]"]) {
		writeFileSync(file, text);
		const starts = start();
		t.strictSame(starts.inARow(), []);
		starts.begin();
		t.equal(start().inARow().length, 1);
	}
});
