/**
 * What the broker's memory goes to: bytes held and bytes of RSS for each session whose
 * client is away, with and without a subscription, and each idle connection. Run by
 * hand, about 15 s:
 *
 *     node --expose-gc test/bench/memory.ts [--only sessions,connections]
 *
 * --sessions N measures N sessions. They are measured in this process, without a store.
 */
import { parseArgs } from "node:util";
import { SubscriptionTable } from "../../src/broker/subscription-table.ts";
import { SessionRegistry } from "../../src/session/session-registry.ts";
import { startBrokerProcess } from "../support/spawn-broker.ts";
import { connectCrowd, dismiss } from "../system/crowd.ts";
import { rssBytes } from "../system/memory.ts";
import { makeContext } from "../unit/session/session-fixture.ts";

const { values } = parseArgs({
	options: {
		only: { type: "string" },
		sessions: { type: "string", default: "100000" },
	},
});
const only = values.only?.split(",");
const sessions = Number(values.sessions);
const CONNECTIONS = 1000;
const MONTH = 30 * 24 * 3600;

const collect = globalThis.gc;
if (collect === undefined) throw new Error("run it with --expose-gc");

const context = makeContext();
/** What was measured, so that it is not collected meanwhile. */
const kept: unknown[] = [];
const options = {
	qos: 1,
	noLocal: false,
	retainAsPublished: false,
	identifier: 0,
} as const;

/** @param awayInMemory none for sleepers, all for objects */
function makeRegistry(awayInMemory: number) {
	const table = new SubscriptionTable();
	const registry = new SessionRegistry(
		context,
		{
			onSessionEnded: () => null,
			onDetached: () => {},
			publishWill: () => {},
			onRestored: (session, records) => {
				for (const record of records) table.add(session, record.filter, record);
			},
			onSleep: (session, sleeper) => table.sleep(session, sleeper),
			onWake: (session, first) => table.wake(session, first),
			onRestoredAsleep: (sleeper, records) =>
				table.restoreAsleep(sleeper, records),
		},
		awayInMemory,
	);
	/** Restores session `i` with these filters. */
	return (i: number, filters: readonly string[]) => {
		registry.restore({
			key: i + 1,
			clientId: ownText(`device-${i}`),
			username: null,
			expirySeconds: MONTH,
			disconnectedAtMs: context.clock.wallMs() - 1000,
			will: null,
			subscriptions: filters.map((filter) => ({
				filter: ownText(filter),
				...options,
			})),
			receivedIds: [],
			lanes: [],
			queuedMessages: 0,
			queuedBytes: 0,
			lastSequence: 0,
		});
	};
}

if (wanted("sessions")) {
	for (const [words, awayInMemory] of [
		["asleep", 0],
		["in memory", Number.POSITIVE_INFINITY],
	] as const) {
		for (const [what, filters] of [
			["", () => []],
			[", own filter", (i: number) => [`devices/device-${i}/commands`]],
			[", common filter", () => ["house/all/commands"]],
		] as const) {
			const restore = makeRegistry(awayInMemory);
			measure(`session ${words}${what}`, sessions, (i) =>
				restore(i, filters(i)),
			);
			kept.push(restore);
		}
	}
}
if (wanted("connections")) await measureConnections();
context.wheel.stop();

function wanted(what: string): boolean {
	return only?.includes(what) ?? true;
}

/** A string as the decoder makes it: flat, with bytes of its own. */
function ownText(text: string): string {
	return Buffer.from(text).toString();
}

function measure(
	what: string,
	count: number,
	make: (index: number) => void,
): void {
	collect?.();
	const before = process.memoryUsage();
	for (let i = 0; i < count; i++) make(i);
	collect?.();
	const after = process.memoryUsage();
	const heap = after.heapUsed - before.heapUsed;
	const outside = after.arrayBuffers - before.arrayBuffers;
	report(what, count, heap + outside, after.rss - before.rss);
}

async function measureConnections(): Promise<void> {
	const broker = await startBrokerProcess({ nodeArgs: ["--expose-gc"] });
	try {
		const warm = await connectCrowd(broker.port, 100, 50, "warm");
		const before = rssBytes(broker.pid);
		const crowd = await connectCrowd(broker.port, CONNECTIONS, 50, "idle");
		const grown = rssBytes(broker.pid) - before;
		report("idle connection with a clean session", CONNECTIONS, null, grown);
		await dismiss([...warm, ...crowd]);
	} finally {
		await broker.dispose();
	}
}

function report(
	what: string,
	count: number,
	heap: number | null,
	rss: number,
): void {
	const each = (bytes: number | null) =>
		bytes === null ? "-" : String(Math.round(bytes / count));
	console.log(
		`${what.padEnd(46)} ${each(heap).padStart(6)} B held ${each(rss).padStart(7)} B of RSS, ${count} of them`,
	);
}
