/**
 * One state that a power cut left: a broker starts on its database, the clients come back
 * knowing what they knew then, and everything is accounted for.
 */

import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { Random } from "../soak/random.ts";
import { startBrokerProcess } from "../support/spawn-broker.ts";
import type { Stage } from "./cast.ts";
import { check } from "./check.ts";
import { type Event, EventLog } from "./events.ts";
import { complaints } from "./kill.ts";
import { Troupe } from "./troupe.ts";

export type Durability = "strict" | "relaxed";

export interface PowerState {
	durability: Durability;
	/** The folder as the disk has it. */
	data: string;
	/** What had happened outside when the next flush began. */
	known: Event[];
	seed: number;
}

export const SYNC_INTERVAL_MS = 1000;
/** A sync takes its time, on a disk and a machine that are busy. */
const LATE_MS = 5000;
const DRAIN_MS = 30_000;
const START_MS = 60_000;

/** @returns what is wrong, in words */
export async function checkState(state: PowerState): Promise<string[]> {
	const { durability, data, known, seed } = state;
	const cutAt = known.at(-1)?.at ?? 0;
	const isRelaxed = durability === "relaxed";
	const lostFromMs = isRelaxed
		? cutAt - SYNC_INTERVAL_MS - LATE_MS
		: Number.POSITIVE_INFINITY;
	const before: Event[] = [...known, ...cutOff(known, cutAt)];
	const broker = await startBrokerProcess({
		dataFrom: data,
		startTimeoutMs: START_MS,
		config: {
			durability,
			max_offline_messages: "unlimited",
			max_online_messages: "unlimited",
			max_queued_bytes: "unlimited",
		},
	});
	try {
		const log = new EventLog(null);
		const after: Event[] = [];
		log.observe((event) => after.push(event));
		const stage: Stage = {
			port: broker.port,
			random: new Random(seed),
			log,
			isUp: true,
			isOver: true,
			isRelaxed,
		};
		const troupe = new Troupe(stage, { busyMs: 0, drainMs: DRAIN_MS });
		troupe.remember(before);
		log.add("broker", { did: "started" });
		await troupe.resume();
		const { violations } = check([...before, ...after], lostFromMs);
		const code = await broker.stop();
		if (code !== 0) violations.push(`the broker ended with exit code ${code}`);
		violations.push(...complaints(broker.stderr()));
		violations.push(...problemsOf(join(broker.dataDir, "broker.db")));
		return violations;
	} finally {
		await broker.dispose();
	}
}

/** The power is gone: of all connections, and of the broker. */
export function cutOff(known: readonly Event[], at: number): Event[] {
	const connected = new Set<string>();
	for (const { who, did } of known) {
		if (did === "connect") connected.add(who);
		if (did === "gone") connected.delete(who);
	}
	const rest = { at, disk: 0 };
	return [
		{ ...rest, who: "broker", did: "killed" },
		...[...connected].map(
			(who): Event => ({ ...rest, who, did: "gone", politely: false }),
		),
	];
}

function problemsOf(path: string): string[] {
	const database = new Sqlite(path, { readonly: true });
	try {
		const words = database.pragma("integrity_check", { simple: true });
		return words === "ok" ? [] : [`integrity_check: ${words}`];
	} finally {
		database.close();
	}
}
