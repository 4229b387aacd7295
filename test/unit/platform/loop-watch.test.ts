import t from "tap";
import { LoopWatch } from "../../../src/platform/loop-watch.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const LOOK_MS = 500;
const PATIENCE = 7;

t.test("says nothing while the main thread beats", async (t) => {
	const { clock, beat, said } = watched();
	for (let i = 0; i < 50; i++) {
		beat();
		clock.advance(LOOK_MS);
	}
	t.strictSame(said, []);
});

t.test("tells how long it stands still and what it does", async (t) => {
	const { clock, beat, said, noted, thread } = watched();
	beat();
	clock.advance(LOOK_MS); // seen
	clock.advance(LOOK_MS); // the first look without a beat
	thread.cpuMs += 2950;
	clock.advance(5 * LOOK_MS);
	t.strictSame(said, []);
	clock.advance(LOOK_MS);
	t.equal(said.length, 1);
	t.match(
		said[0],
		/^error the main thread has not run for 3\.5 s: it computes \(3\.0 s of processor time since\); no client is served/,
	);
	t.match(noted[0], /^the main thread has not run for 3\.5 s: it computes/);
	clock.advance(100 * LOOK_MS);
	t.equal(said.length, 1, "once");
	beat();
	clock.advance(LOOK_MS);
	t.match(said[1], /^info the main thread runs again after 53\.5 s/);
});

t.test("tells a wait for a disk from one for anything else", async (t) => {
	const cases = [
		["D", "it waits for a disk in do_fsync ("],
		["S", "it waits for the system in do_fsync (state S, "],
	] as const;
	for (const [letter, words] of cases) {
		const { clock, said, thread } = watched();
		Object.assign(thread, { letter, waitsIn: "do_fsync" });
		clock.advance(PATIENCE * LOOK_MS);
		t.match(said[0], words);
	}
});

t.test(
	"a process that was stopped, or a machine that slept, did not stand still",
	async (t) => {
		const { clock, beat, said } = watched();
		beat();
		clock.advance(2 * LOOK_MS);
		for (let i = 0; i < 20; i++) {
			clock.suspend(3_600_000);
			beat();
		}
		t.strictSame(said, []);
	},
);

t.test("ends when it is stopped", async (t) => {
	const { clock, watch, said } = watched();
	watch.stop();
	clock.advance(100 * LOOK_MS);
	t.strictSame(said, []);
	t.equal(clock.pendingTimers, 0);
});

function watched() {
	const clock = new FakeClock();
	const beats = new SharedArrayBuffer(4);
	const said: string[] = [];
	const noted: string[] = [];
	const thread = { letter: "R", cpuMs: 1000, waitsIn: "" };
	const watch = new LoopWatch(
		{
			beats,
			lookMs: LOOK_MS,
			patience: PATIENCE,
			format: "text",
			noteFile: "",
		},
		{
			clock,
			readThread: () => ({ ...thread }),
			say: (level, words) => said.push(`${level} ${words}`),
			note: (words) => noted.push(words),
		},
	);
	watch.start();
	const beat = () => Atomics.add(new Int32Array(beats), 0, 1);
	return { clock, watch, beat, said, noted, thread };
}
