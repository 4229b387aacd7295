/**
 * `npm run soak:power -- [--states N] [--seconds N] [--seed N]
 * [--keep FOLDER | --from FOLDER]`: cuts the power at
 * hundreds of moments of one run. A broker works in a virtual machine under a load from
 * outside, first with `durability = strict`, then with `relaxed`. The machine logs what
 * reaches its disk; every flush in that log is a state in which a power cut can leave it.
 * For a sample of them the disk is made, a broker is started on its database here, the
 * clients come back with what they knew at that moment, and the checker of the kill test
 * accounts for everything. In half of the states a random part of what was written later is
 * there as well, torn at sectors.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Random } from "../soak/random.ts";
import { DiskImage, imageFolder } from "./disk-image.ts";
import { DiskLog } from "./disk-log.ts";
import { type Event, readEvents } from "./events.ts";
import { Load } from "./kill.ts";
import { dataFolder, Machine } from "./machine.ts";
import {
	checkState,
	type Durability,
	SYNC_INTERVAL_MS,
} from "./power-state.ts";

export interface PowerOptions {
	/** States looked at, of both durabilities together. */
	states: number;
	/** How long the load runs, for each durability. */
	seconds: number;
	seed: number;
	/** Where the run is kept; by default a temporary folder, removed in the end. */
	folder?: string;
	/** The folder holds the run of an earlier call. */
	isMade?: boolean;
	onState?: (words: string) => void;
}

export interface PowerFinding {
	violations: string[];
	/** Flushes while the load ran: so many states there are. */
	flushes: number;
	checked: number;
	torn: number;
	/** Messages acknowledged by the broker in the machine. */
	acknowledged: number;
}

const durabilities = ["strict", "relaxed"] as const;
const PORT = 1883;
const BUSY_MS = 100;
const SETTLED_MS = 30_000;

export async function runPowerCuts(
	options: PowerOptions,
): Promise<PowerFinding> {
	const folder = options.folder ?? mkdtempSync(join(tmpdir(), "broker-power-"));
	try {
		if (options.isMade !== true) await makeRun(folder, options);
		return await checkStates(folder, options);
	} finally {
		if (options.folder === undefined)
			rmSync(folder, { recursive: true, force: true });
	}
}

/** Leaves in the folder: the disk at the start, what was written to it, and the events. */
async function makeRun(
	folder: string,
	{ seconds, seed }: PowerOptions,
): Promise<void> {
	const machine = new Machine();
	try {
		await machine.boot(...durabilities.map((_, index) => PORT + index));
		await machine.install();
		for (const [index, durability] of durabilities.entries()) {
			const port = await machine.startBroker(durability, PORT + index, {
				durability,
				"store.sync_interval": `${SYNC_INTERVAL_MS}ms`,
				max_offline_messages: "unlimited",
				max_online_messages: "unlimited",
				max_queued_bytes: "unlimited",
			});
			const load = new Load([
				...["--port", `${port}`, "--log", eventsPath(folder, durability)],
				...["--seed", `${seed}`, "--busy", `${BUSY_MS}`],
				...["--disk-log", machine.writeLog],
				...(durability === "relaxed" ? ["--relaxed"] : []),
			]);
			await load.progress(1);
			await pause(seconds * 1000);
			load.order("end");
			await load.until("done", SETTLED_MS);
			await machine.killBroker(durability);
		}
		await machine.cutPower();
		renameSync(machine.startImage, startPath(folder));
		renameSync(machine.writeLog, writesPath(folder));
	} finally {
		machine.destroy();
	}
}

const eventsPath = (folder: string, durability: Durability) =>
	join(folder, `${durability}.jsonl`);
const startPath = (folder: string) => join(folder, "start.img");
const writesPath = (folder: string) => join(folder, "writes.log");

async function checkStates(
	folder: string,
	{ states, seed, onState }: PowerOptions,
): Promise<PowerFinding> {
	const random = new Random(seed);
	const log = new DiskLog(writesPath(folder));
	log.count();
	const path = join(imageFolder(folder), `broker-power-${process.pid}.img`);
	const image = new DiskImage(log, startPath(folder), path);
	const finding: PowerFinding = {
		violations: [],
		flushes: 0,
		checked: 0,
		torn: 0,
		acknowledged: 0,
	};
	try {
		for (const durability of durabilities) {
			const events = readEvents(eventsPath(folder, durability));
			const [first, last] = span(events, durability);
			finding.flushes += last - first + 1;
			finding.acknowledged += events.filter(isAcknowledgement).length;
			for (const flush of sample(
				first,
				last,
				states / durabilities.length,
				random,
			)) {
				const isTorn = random.chance(0.5);
				const place = join(folder, "data");
				image.moveTo(flush);
				if (isTorn) image.tear(flush, random);
				const data = image.extract(dataFolder(durability), place);
				image.mend();
				const known = events.filter(({ disk }) => disk <= flush + 1);
				const violations = await checkState({ durability, data, known, seed });
				rmSync(place, { recursive: true });
				const name = `${durability} state ${flush}${isTorn ? ", torn" : ""}`;
				finding.violations.push(
					...violations.map((what) => `${name}: ${what}`),
				);
				finding.checked++;
				if (isTorn) finding.torn++;
				onState?.(
					`${name}: ${known.length} events, ${violations.length} violations`,
				);
			}
		}
		return finding;
	} finally {
		image.close();
		log.close();
	}
}

/** The first and the last flush after which the clients are set up and the load runs. */
function span(
	events: readonly Event[],
	durability: Durability,
): [number, number] {
	const start = events.find(
		(event) => event.did === "send" && event.topic.startsWith("flow/"),
	);
	const settledAt = (start?.at ?? 0) + (durability === "relaxed" ? 8000 : 0);
	const from = events.find(({ at }) => at >= settledAt)?.disk ?? 0;
	return [from, (events.at(-1)?.disk ?? 0) - 1];
}

/** So many different numbers of a range, in order. */
function sample(
	first: number,
	last: number,
	count: number,
	random: Random,
): number[] {
	const all = Array.from(
		{ length: last - first + 1 },
		(_, index) => first + index,
	);
	while (all.length > count) all.splice(random.below(all.length), 1);
	return all;
}

function isAcknowledgement({ did }: Event): boolean {
	return did === "puback" || did === "pubrec";
}

if (import.meta.main) {
	const { values } = parseArgs({
		options: {
			states: { type: "string", default: "400" },
			seconds: { type: "string", default: "90" },
			seed: { type: "string", default: String(Date.now() % 1_000_000) },
			keep: { type: "string" },
			from: { type: "string" },
		},
	});
	const [states, seconds] = [Number(values.states), Number(values.seconds)];
	const seed = Number(values.seed);
	console.log(
		`${states} states, ${seconds} s of load for each durability, --seed ${seed}`,
	);
	const { keep, from } = values;
	const folder = keep ?? from;
	if (keep !== undefined) mkdirSync(keep, { recursive: true });
	const { violations, ...counts } = await runPowerCuts({
		states,
		seconds,
		seed,
		isMade: from !== undefined,
		...(folder !== undefined && { folder }),
		onState: (words) => console.log(words),
	});
	for (const violation of violations.slice(0, 50))
		console.log(`FAILED ${violation}`);
	console.log(`${JSON.stringify(counts)}: ${violations.length} violations`);
	process.exitCode = violations.length === 0 && counts.checked > 0 ? 0 : 1;
}
