import { cpSync } from "node:fs";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { damage } from "../support/damage.ts";
import {
	completeState,
	makeState,
	openDamaged,
	type StateCounts,
} from "../support/damaged-state.ts";

/** Damaged files: the store opens, and says what it saved. */

const DAMAGES = 40;
/** Nothing in the files tells that there was more. */
const untellable = ["the log truncated", "the log's last frame half written"];

function isComplete(counts: StateCounts): boolean {
	return JSON.stringify(counts) === JSON.stringify(completeState);
}

async function runDamages(t: Test, path: string, from: number): Promise<void> {
	let saved = 0;
	for (let seed = from; seed < from + DAMAGES / 2; seed++) {
		const folder = join(t.testdirName, `damaged-${seed}`);
		cpSync(dirname(path), folder, { recursive: true });
		const damaged = join(folder, "broker.db");
		const what = damage(damaged, seed);
		const { counts, notices } = await openDamaged(damaged);
		const text = `seed ${seed}, ${what}: ${JSON.stringify(counts)} ${notices}`;
		for (const [name, count] of Object.entries(counts))
			t.ok(count <= completeState[name as keyof StateCounts], text);
		if (!isComplete(counts) && !untellable.includes(what))
			t.ok(notices.length > 0, `it says what is lost: ${text}`);
		saved += Object.values(counts).reduce((sum, count) => sum + count);
		if (seed % 5 !== 0) continue;
		const again = await openDamaged(damaged, false);
		t.strictSame(again.counts, counts, `and it stays: ${text}`);
		t.strictSame(again.notices, [], `once: ${text}`);
	}
	const all = Object.values(completeState).reduce((sum, count) => sum + count);
	const share = saved / (all * (DAMAGES / 2));
	t.ok(share > 0.7, `${Math.round(share * 100)} % of all rows were saved`);
}

t.test(
	"it opens after damage of any kind and says what it saved",
	async (t) => {
		const path = await makeState(t, t.testdir(), false);
		await runDamages(t, path, 0);
	},
);

t.test(
	"it opens after damage when most of the state is in the log",
	async (t) => {
		const path = await makeState(t, t.testdir(), true);
		await runDamages(t, path, DAMAGES / 2);
	},
);
