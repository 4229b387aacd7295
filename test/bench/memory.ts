/**
 * What the broker's memory goes to: bytes of heap and of RSS for each session whose
 * client is away, each subscription, and each idle connection. Run by hand, about 15 s:
 *
 *     node --expose-gc test/bench/memory.ts [--only sessions,subscriptions,connections]
 *
 * --sessions N measures N sessions whose clients never come back; the figure is
 * 300,000. Sessions and subscriptions are measured in this process, without a store.
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
const registry = new SessionRegistry(context, {
	onSessionEnded: () => null,
	onDetached: () => {},
	publishWill: () => {},
});
const table = new SubscriptionTable();

if (wanted("sessions") || wanted("subscriptions")) {
	measure("session whose client is away", sessions, restoreSession);
}
if (wanted("subscriptions")) {
	measure("first subscription of a session, own filter", sessions, (i) =>
		subscribe(i, `devices/device-${i}/commands`),
	);
	measure("second subscription, shared filter", sessions, (i) =>
		subscribe(i, "house/all/commands"),
	);
}
if (wanted("connections")) await measureConnections();
context.wheel.stop();

function wanted(what: string): boolean {
	return only?.includes(what) ?? true;
}

function restoreSession(i: number): void {
	registry.restore({
		key: i + 1,
		clientId: ownText(`device-${i}`),
		username: null,
		expirySeconds: MONTH,
		disconnectedAtMs: context.clock.wallMs() - 1000,
		will: null,
		subscriptions: [],
		receivedIds: [],
		queuedMessages: 0,
		queuedBytes: 0,
		lastSequence: 0,
	});
}

function subscribe(i: number, filter: string): void {
	const session = registry.get(`device-${i}`);
	if (session === undefined) throw new Error("no such session");
	table.add(session, ownText(filter), {
		qos: 1,
		noLocal: false,
		retainAsPublished: false,
		identifier: 0,
	});
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
	report(what, count, after.heapUsed - before.heapUsed, after.rss - before.rss);
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
		`${what.padEnd(46)} ${each(heap).padStart(6)} B of heap ${each(rss).padStart(7)} B of RSS, ${count} of them`,
	);
}
