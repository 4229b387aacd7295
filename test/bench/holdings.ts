/**
 * `npm run bench:holdings -- [--settle SECONDS] [--json]`: what the built binary needs in
 * memory for each thing that it holds: by how much a process that holds many of them grows
 * when as many come again, so that what it needs once for the first is left out. Builds
 * nothing: `npm run build` first. Three minutes.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
	type ConnectOptions,
	connectRaw,
	type RawClient,
	type RawOptions,
} from "../support/raw-client.ts";
import { endWithProcess } from "../support/spawn-broker.ts";
import { connectCrowd } from "../system/crowd.ts";
import { HandStarted } from "../system/run-broker.ts";
import { place } from "../system/start-scenarios.ts";
import { until } from "../system/waiting.ts";

const binary = resolve(
	import.meta.dirname,
	`../../dist/broker-linux-${process.arch}`,
);
/** After it the start has given back what only it needed. */
const START_SECONDS = 12;
const AT_ONCE = 100;
/** In each half, of three kinds at the same time: the descriptors of one process have to do. */
const CLIENTS = 2500;
const SUBSCRIPTIONS = 100_000;
/** Fits a SUBSCRIBE into a packet of any size that is allowed. */
const FILTERS_A_PACKET = 500;
const QUEUES = 100;
const QUEUED = 900;
const RETAINED = 50_000;
const PAYLOAD = "x".repeat(64);
const WAIT_MS = 300_000;

interface Memory {
	readonly rss: number;
	/** What no cache can give back. */
	readonly anonymous: number;
}

interface Holding {
	readonly what: string;
	readonly count: number;
	/**
	 * Fills the broker with one half; the clients stay until it has been measured.
	 * @param half its name
	 */
	fill(port: number, half: string): Promise<RawClient[]>;
}

const idle = (
	what: string,
	options: Partial<RawOptions & ConnectOptions>,
): Holding => ({
	what,
	count: CLIENTS,
	fill: (port, half) => connectCrowd(port, CLIENTS, AT_ONCE, half, options),
});

const holdings: Holding[] = [
	idle("a connected client, MQTT 3.1.1", { version: 4 }),
	idle("a connected client, MQTT 5", { version: 5 }),
	{
		what: "one with a persistent session and a subscription",
		count: CLIENTS,
		fill: async (port, half) => {
			const clients = await connectCrowd(port, CLIENTS, AT_ONCE, half, {
				clean: false,
			});
			for (const [index, client] of clients.entries())
				await client.subscribe(`${half}/${index}/command`, 1);
			return clients;
		},
	},
	{
		what: "a subscription to a filter of its own, of one client",
		count: SUBSCRIPTIONS,
		fill: subscribeMuch,
	},
	{
		what: "a message of 64 bytes in the queue of a clean session",
		count: QUEUES * QUEUED,
		fill: queueMuch,
	},
	{
		what: "a retained topic with 64 bytes",
		count: RETAINED,
		fill: retainMuch,
	},
];

async function subscribeMuch(port: number, half: string): Promise<RawClient[]> {
	const client = await connectRaw({ port, clientId: half });
	for (let first = 0; first < SUBSCRIPTIONS; first += FILTERS_A_PACKET) {
		client.write({
			cmd: "subscribe",
			messageId: 1,
			subscriptions: Array.from({ length: FILTERS_A_PACKET }, (_, index) => ({
				topic: `${half}/${first + index}/+`,
				qos: 0 as const,
			})),
		});
		await client.expect("suback", WAIT_MS);
	}
	return [client];
}

/** Subscribers that acknowledge nothing: all but a window of it waits in their queues. */
async function queueMuch(port: number, half: string): Promise<RawClient[]> {
	const readers = await connectCrowd(port, QUEUES, AT_ONCE, half, {
		acknowledges: false,
	});
	for (const [index, reader] of readers.entries())
		await reader.subscribe(`${half}/${index}`, 1);
	const writer = await connectRaw({ port, clientId: `${half}-writer` });
	const topics = readers.map((_, index) => `${half}/${index}`);
	for (let round = 0; round < QUEUED; round++)
		await publishAll(writer, topics, false);
	return [...readers, writer];
}

async function retainMuch(port: number, half: string): Promise<RawClient[]> {
	const writer = await connectRaw({ port, clientId: `${half}-writer` });
	for (let first = 0; first < RETAINED; first += FILTERS_A_PACKET)
		await publishAll(
			writer,
			Array.from(
				{ length: FILTERS_A_PACKET },
				(_, index) => `${half}/${first + index}/state`,
			),
			true,
		);
	return [writer];
}

async function publishAll(
	writer: RawClient,
	topics: readonly string[],
	retain: boolean,
): Promise<void> {
	const target = writer.acknowledged + topics.length;
	for (const [index, topic] of topics.entries())
		writer.write({
			cmd: "publish",
			topic,
			payload: PAYLOAD,
			qos: 1,
			retain,
			dup: false,
			messageId: index + 1,
		});
	await until(() => writer.acknowledged >= target, "PUBACKs", WAIT_MS);
}

async function measure({ what, count, fill }: Holding, settleSeconds: number) {
	const folder = mkdtempSync(join(tmpdir(), "broker-holdings-"));
	const args = [
		...place(join(folder, "data")),
		...["--set", "listener.ws.default=off"],
		...["--set", `max_subscriptions_per_client=${SUBSCRIPTIONS}`],
	];
	const broker = new HandStarted(args, { entry: binary, cwd: folder });
	endWithProcess(broker.child);
	try {
		const port = await broker.ready();
		await pause(START_SECONDS * 1000);
		const clients = await fill(port, "first");
		await pause(settleSeconds * 1000);
		const before = memoryOf(broker.pid);
		clients.push(...(await fill(port, "second")));
		await pause(settleSeconds * 1000);
		const after = memoryOf(broker.pid);
		for (const client of clients) client.destroy();
		const each = (key: keyof Memory) =>
			Math.round((after[key] - before[key]) / count);
		return { what, count, rss: each("rss"), anonymous: each("anonymous") };
	} finally {
		broker.child.kill("SIGKILL");
		await broker.ended();
		rmSync(folder, { recursive: true, force: true });
	}
}

function memoryOf(pid: number): Memory {
	const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
	const of = (name: string) =>
		Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
	return { rss: of("Rss"), anonymous: of("Anonymous") };
}

const { values } = parseArgs({
	options: {
		settle: { type: "string", default: "45" },
		json: { type: "boolean", default: false },
	},
});
if (!existsSync(binary))
	throw new Error(`${binary} is missing: npm run build first`);
// At the same time, each with a broker of its own: it is not about time.
const results = await Promise.all(
	holdings.map((holding) => measure(holding, Number(values.settle))),
);
if (values.json) console.log(JSON.stringify(results));
else {
	console.log(
		"| bytes for each | number | RSS | own |\n| --- | ---: | ---: | ---: |",
	);
	for (const { what, count, rss, anonymous } of results)
		console.log(
			`| ${what} | ${count.toLocaleString("en")} | ${rss.toLocaleString("en")} | ${anonymous.toLocaleString("en")} |`,
		);
}
