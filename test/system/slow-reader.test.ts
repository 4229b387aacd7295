/** A subscriber that does not read: it loses QoS 0 and nothing else, and nobody else suffers. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { connectRaw, type RawClient } from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { forgetPeak, inMiB, MIB, peakRssBytes, rssBytes } from "./memory.ts";
import { checkNoticed, startProbe } from "./probe.ts";
import { linesWith, until } from "./waiting.ts";

const PAYLOAD = Buffer.alloc(16 * 1024, "x");
/** More than all buffers of two sockets take. */
const FLOOD_MESSAGES = 4000;
/** QoS 1 messages sent meanwhile: within the queue's bound. */
const OWED = 300;
/** A line may come when its interval is over. */
const LOG_INTERVAL_MS = 11_000;
/** High-water mark, buffers in flight, and what the collector needs for itself. */
const NOISE_BYTES = 60 * MIB;

t.test(
	"a client that never reads loses QoS 0 only and is disconnected after send_timeout",
	async (t) => {
		const { broker, reader, report } = await stuckReader(t, {
			send_timeout: "3s",
		});
		const { port, pid } = broker;
		const probe = await startProbe(t, port);
		const before = rssBytes(pid);
		forgetPeak(pid);
		await floodAndOwe(port);
		const grown = peakRssBytes(pid) - before;
		t.ok(grown < NOISE_BYTES, `memory grew by ${inMiB(grown)}`);
		await until(
			() => linesWith(broker.stderr(), "send_timeout").length > 0,
			"it is disconnected",
			8000,
		);
		const [line = ""] = linesWith(broker.stderr(), "send_timeout");
		t.match(line, "client=never-reads");
		checkNoticed(t, await probe.result());
		const { counters } = await report();
		t.ok(counters.droppedSlowReader > 1000, "QoS 0 was dropped and counted");
		t.equal(counters.droppedQueueFull, 0, "nothing else was");
		reader.destroy();

		const back = await connectRaw({
			port,
			clientId: "never-reads",
			clean: false,
		});
		t.ok(back.sessionPresent);
		await back.until(() => numbersOf(back).length >= OWED, "what is owed");
		t.strictSame(numbersOf(back), upTo(OWED), "all of QoS 1, in order");
	},
);

t.test(
	"dropped QoS 0 messages are said once per interval, with who and how many",
	async (t) => {
		const { broker } = await stuckReader(t, { send_timeout: "60s" });
		await floodAndOwe(broker.port);
		const lines = () =>
			linesWith(broker.stderr(), "client=never-reads").filter((line) =>
				/ warning .*drop/.test(line),
			);
		await until(() => lines().length > 0, "a line", LOG_INTERVAL_MS);
		t.equal(lines().length, 1, "one line");
		t.match(lines()[0], /QoS 0/i);
	},
);

t.test(
	"a client that reads again gets all of QoS 1 in order, without a reconnect",
	async (t) => {
		const { broker, reader } = await stuckReader(t, { send_timeout: "60s" });
		await floodAndOwe(broker.port);
		reader.resume();
		await reader.until(
			() => numbersOf(reader).length >= OWED,
			"what is owed",
			15_000,
		);
		t.strictSame(numbersOf(reader), upTo(OWED), "each once, in order");
		t.notOk(reader.isClosed);
		await reader.ping();
	},
);

t.test("the queue of a client that never reads is bounded", async (t) => {
	const { broker, reader, report } = await stuckReader(t, {
		send_timeout: "60s",
		max_online_messages: "100",
	});
	const before = rssBytes(broker.pid);
	forgetPeak(broker.pid);
	await floodAndOwe(broker.port, 2000);
	const grown = peakRssBytes(broker.pid) - before;
	t.ok(grown < NOISE_BYTES, `memory grew by ${inMiB(grown)}`);
	const { counters } = await report();
	t.ok(counters.droppedQueueFull > 0, "more were dropped and counted");
	const lines = linesWith(broker.stderr(), "queue full");
	t.equal(lines.length, 1, "and said once");
	t.match(lines[0], "raise=max_online_messages", "with the key to raise");
	reader.resume();
	// The answer to a ping passes what waits, so it says nothing here.
	await reader.until(
		() => numbersOf(reader).length >= 100,
		"what was in the queue",
	);
	const numbers = numbersOf(reader);
	t.strictSame(
		numbers,
		numbers.toSorted((a, b) => a - b),
		"in order",
	);
});

interface Report {
	counters: { droppedSlowReader: number; droppedQueueFull: number };
}

/** A broker, and a client with a lasting session that subscribed and reads no more. */
async function stuckReader(
	t: Test,
	config: Record<string, string>,
): Promise<{
	broker: SpawnedBroker;
	reader: RawClient;
	report: () => Promise<Report>;
}> {
	const file = join(t.testdir(), "report.json");
	const broker = await spawnBroker(t, {
		config,
		env: { TEST_REPORT_FILE: file },
	});
	const reader = await connectRaw({
		port: broker.port,
		clientId: "never-reads",
		clean: false,
	});
	await reader.subscribe("flood", 0);
	await reader.subscribe("owed", 1);
	reader.pause();
	const report = async () => {
		rmSync(file, { force: true });
		process.kill(broker.pid, "SIGUSR2");
		let found: Report | null = null;
		await until(() => {
			found = existsSync(file) ? parse(readFileSync(file, "utf8")) : null;
			return found !== null;
		}, "the broker's report");
		return found as unknown as Report;
	};
	return { broker, reader, report };
}

/** Null while the file is being written. */
function parse(text: string): Report | null {
	try {
		return JSON.parse(text) as Report;
	} catch {
		return null;
	}
}

/** Sends the flood with QoS 0, and messages with QoS 1 all along. */
async function floodAndOwe(port: number, owed = OWED): Promise<void> {
	const publisher = await connectRaw({ port, clientId: "flooder" });
	const each = Math.max(1, Math.floor(FLOOD_MESSAGES / owed));
	let sent = 0;
	for (let i = 1; i <= owed; i++) {
		for (let j = 0; j < each; j++) {
			await publisher.publish("flood", PAYLOAD);
			sent++;
		}
		await publisher.publish("owed", String(i), 1);
	}
	while (sent++ < FLOOD_MESSAGES) await publisher.publish("flood", PAYLOAD);
	// Answered when all before it was taken in.
	await publisher.ping();
	await publisher.disconnect();
}

/** The QoS 1 messages received, in the order of their arrival. */
function numbersOf(client: RawClient): number[] {
	return client.messages
		.filter(({ topic }) => topic === "owed")
		.map(({ payload }) => Number(payload));
}

function upTo(last: number): number[] {
	return Array.from({ length: last }, (_, index) => index + 1);
}
