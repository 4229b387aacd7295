/**
 * `npm run soak:damage -- [--count N] [--seed N]`: damages the database of a broker that was
 * killed, again and again in another way, and starts the real process on it. It has to start
 * each time (as a supervisor would start it, again when it ended by what it met), say what it
 * saved, serve clients, and deliver nothing that nobody ever published.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Random } from "../soak/random.ts";
import { damage } from "../support/damage.ts";
import { connectRaw } from "../support/raw-client.ts";
import {
	type SpawnedBroker,
	startBrokerProcess,
} from "../support/spawn-broker.ts";
import type { Stage } from "./cast.ts";
import { check } from "./check.ts";
import { type Event, EventLog, readEvents } from "./events.ts";
import { Load } from "./kill.ts";
import { cutOff } from "./power-state.ts";
import { Troupe } from "./troupe.ts";

export interface DamageOptions {
	count: number;
	seed: number;
	onDamage?: (words: string) => void;
}

export interface DamageFinding {
	violations: string[];
	/** Starts after which something was missing, and those that said so. */
	lossy: number;
	told: number;
	/** Starts that ended by what they met, so that another one was needed. */
	restarts: number;
}

/** Damage met while running ends the process; the next start saves what there is. */
const MOST_STARTS = 3;
const MESSAGES = 1500;
const STORE_ENDED = 74;
/** What does not come by then is lost, in ms; nor does anything after so long a silence. */
const DRAIN_MS = 30_000;
const QUIET_MS = 3000;
const END_MS = 100;
const START_MS = 60_000;
const config = {
	max_offline_messages: "unlimited",
	max_online_messages: "unlimited",
	max_queued_bytes: "unlimited",
};
/** Nothing in the files tells that there was more. */
const UNTELLABLE = [
	"the log truncated",
	"the log's last frame half written",
	"no log",
];

export async function runDamages(
	options: DamageOptions,
): Promise<DamageFinding> {
	const { count, seed } = options;
	const folder = mkdtempSync(join(tmpdir(), "broker-damage-"));
	const finding = {
		violations: [] as string[],
		lossy: 0,
		told: 0,
		restarts: 0,
	};
	try {
		const { data, known } = await makeState(folder, seed);
		for (let number = 0; number < count; number++) {
			const damaged = join(folder, "damaged");
			cpSync(data, damaged, { recursive: true });
			const what = damage(join(damaged, "broker.db"), seed + number);
			const name = `seed ${seed + number}, ${what}`;
			await checkDamaged(damaged, known, what, finding).catch((error: Error) =>
				finding.violations.push(`${name}: ${error.message}`),
			);
			options.onDamage?.(name);
			rmSync(damaged, { recursive: true });
		}
		return finding;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Sessions with queues at every stage, retained messages, wills; as a kill leaves them. */
async function makeState(
	folder: string,
	seed: number,
): Promise<{ data: string; known: Event[] }> {
	const broker = await startBrokerProcess({ config });
	try {
		const path = join(folder, "events.jsonl");
		const args = [
			"--port",
			`${broker.port}`,
			"--log",
			path,
			"--seed",
			`${seed}`,
		];
		const load = new Load(args);
		await load.progress(MESSAGES);
		await broker.kill("SIGKILL");
		load.order("killed");
		load.order("end");
		await load.until("done", DRAIN_MS);
		const data = join(folder, "data");
		cpSync(broker.dataDir, data, { recursive: true });
		const events = readEvents(path);
		return {
			data,
			known: [...events, ...cutOff(events, events.at(-1)?.at ?? 0)],
		};
	} finally {
		await broker.dispose();
	}
}

async function checkDamaged(
	data: string,
	known: readonly Event[],
	what: string,
	finding: DamageFinding,
): Promise<void> {
	const broker = await startBrokerProcess({
		config,
		dataFrom: data,
		startTimeoutMs: START_MS,
	});
	try {
		let found: string[] = [];
		let before = known;
		for (let start = 1; ; start++) {
			const events = await visit(broker, before);
			found = check(events).violations;
			if (!broker.hasEnded) break;
			// What this visit has published is there for the next one.
			before = [...events, ...cutOff(events, events.at(-1)?.at ?? 0)];
			finding.restarts++;
			const code = await broker.stop();
			if (code !== STORE_ENDED)
				throw new Error(`it ended with exit code ${code}`);
			if (start === MOST_STARTS) throw new Error(`it ended ${start} times`);
			await broker.restart();
		}
		const lies = found.filter((words) =>
			/nobody published|never sent/.test(words),
		);
		finding.violations.push(...lies.map((words) => `${what}: ${words}`));
		const told = /warning store .*(saved|lost|gone)/.test(broker.stderr());
		if (told) finding.told++;
		if (
			found.some((words) => /lost|gone|has no value|never came/.test(words))
		) {
			finding.lossy++;
			if (!told && !UNTELLABLE.includes(what))
				finding.violations.push(
					`${what}: it does not say what is lost: ${found[0]}`,
				);
		}
		await serve(broker);
		const code = await broker.stop();
		if (code !== 0)
			throw new Error(`it ended with exit code ${code} when asked to stop`);
	} finally {
		await broker.dispose();
	}
}

/** Everybody comes back and takes what there is. @returns all that is known then */
async function visit(
	broker: SpawnedBroker,
	known: readonly Event[],
): Promise<Event[]> {
	const log = new EventLog(null);
	const after: Event[] = [];
	log.observe((event) => after.push(event));
	const stage: Stage = {
		port: broker.port,
		random: new Random(1),
		log,
		isUp: true,
		isOver: true,
		isRelaxed: false,
	};
	const watch = setInterval(() => {
		stage.isUp = !broker.hasEnded;
	}, 20);
	const troupe = new Troupe(stage, {
		busyMs: 0,
		drainMs: DRAIN_MS,
		quietMs: QUIET_MS,
	});
	troupe.remember(known);
	log.add("broker", { did: "started" });
	await troupe.resume();
	// What ends it by what it met takes a moment.
	await pause(END_MS);
	clearInterval(watch);
	return [...known, ...after];
}

/** Clients that never were there before. */
async function serve({ port }: SpawnedBroker): Promise<void> {
	const client = await connectRaw({
		port,
		version: 5,
		clientId: "after-damage",
	});
	await client.subscribe("served/#", 2);
	for (const qos of [1, 2] as const)
		await client.publish(`served/${qos}`, "yes", qos, true);
	await client.until(() => client.received >= 2, "its own messages");
	await client.disconnect();
}

if (import.meta.main) {
	const { values } = parseArgs({
		options: {
			count: { type: "string", default: "200" },
			seed: { type: "string", default: String(Date.now() % 1_000_000) },
		},
	});
	const [count, seed] = [Number(values.count), Number(values.seed)];
	console.log(`${count} damages, --seed ${seed}`);
	let damages = 0;
	const onDamage = (words: string) => {
		if (++damages % 10 === 0) console.log(`${damages} damages; ${words}`);
	};
	const { violations, ...counts } = await runDamages({ count, seed, onDamage });
	for (const violation of violations.slice(0, 50))
		console.log(`FAILED ${violation}`);
	console.log(`${JSON.stringify(counts)}: ${violations.length} violations`);
	process.exitCode = violations.length === 0 ? 0 : 1;
}
