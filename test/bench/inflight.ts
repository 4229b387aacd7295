/**
 * What the window of unacknowledged messages costs: an entry put in under a new packet id,
 * found by it and taken out, with windows of several sizes. A few seconds:
 *
 *     node test/bench/inflight.ts
 */
import { ByteBudget } from "../../src/platform/byte-budget.ts";
import { Inflight, InflightEntry } from "../../src/session/inflight.ts";
import { StoredMessage } from "../../src/store/stored-message.ts";
import { message } from "../support/store-fixtures.ts";
import { timePerCall } from "./micro-report.ts";

const CALLS = 500_000;
const budget = new ByteBudget("messages", Number.POSITIVE_INFINITY, "key");
const stored = StoredMessage.adopt(
	message("bench/0000", "a".repeat(64)),
	Number.POSITIVE_INFINITY,
	budget,
);
const owner = { onEntryDurable: () => {} };
const nothing: readonly number[] = [];

function newEntry(sequence: number): InflightEntry {
	return new InflightEntry(stored, 1, false, nothing, null, sequence);
}

timePerCall("make an entry and let its message go", CALLS, () => {
	for (let i = 0; i < CALLS; i++) newEntry(i).message.release();
});
for (const window of [1, 20, 1000, 65_000]) {
	const inflight = new Inflight(1);
	const ids: number[] = [];
	const add = (sequence: number) => {
		const entry = newEntry(sequence);
		inflight.add(entry, owner);
		ids[sequence % window] = entry.packetId;
	};
	for (let i = 0; i < window; i++) add(i);
	timePerCall(`acknowledge one and send one, window ${window}`, CALLS, () => {
		for (let i = 0; i < CALLS; i++) {
			const entry = inflight.get(ids[i % window] ?? 0);
			if (entry === undefined) throw new Error("an entry was lost");
			inflight.remove(entry);
			entry.message.release();
			add(i);
		}
	});
}
