/**
 * The scenarios every real client has to pass against the broker, once per
 * protocol version it speaks. A scenario gets a client and a version and knows
 * nothing about programs or libraries.
 */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import t, { type Test } from "tap";
import {
	type SpawnedBroker,
	spawnBroker,
	targetKind,
} from "../support/spawn-broker.ts";
import { mqttJs } from "./driver-client.ts";
import {
	type InteropClient,
	type Qos,
	type Received,
	sha256,
	type Version,
} from "./interop-client.ts";

const allQos: readonly Qos[] = [0, 1, 2];

/** Room for the 10 MB payload. */
export const interopConfig: Record<string, string> = {
	max_message_size: "20MB",
	max_packet_size: "21MB",
};

interface Case {
	client: InteropClient;
	version: Version;
	broker: SpawnedBroker;
}

/** Enough for one file with all its clients on a slow board, in milliseconds. */
t.setTimeout(900_000);
/** Clients side by side, each with a broker of its own: the programs sleep most of the time. */
t.jobs = 6;

/** Declares all scenarios for a client as tap tests. */
export function runScenarios(client: InteropClient): void {
	for (const version of client.versions) {
		const title = `${client.name} speaking MQTT ${version}`;
		t.test(title, { buffered: true }, async (t) => {
			const broker = await spawnBroker(t, { config: interopConfig });
			const given: Case = { client, version, broker };
			for (const qos of allQos) {
				await t.test(`delivers at QoS ${qos} in order`, (t) =>
					delivers(t, given, qos),
				);
			}
			await t.test("keeps, gives and clears a retained message", (t) =>
				retains(t, given),
			);
			await t.test("publishes the will of a client that is killed", (t) =>
				firesWill(t, given),
			);
			await t.test("splits the work of a shared subscription", (t) =>
				shares(t, given),
			);
			await t.test("carries a payload of 10 MB unchanged", (t) =>
				carriesLargePayload(t, given),
			);
			await t.test("matches 1,000 topics against wildcards", (t) =>
				matchesManyTopics(t, given),
			);
			if (!client.keepsSessions) return;
			await t.test("keeps messages for a session that is away", (t) =>
				keepsOfflineMessages(t, given),
			);
			await t.test("keeps a session across a restart of the broker", (t) =>
				survivesRestart(t, given),
			);
		});
	}
}

function payloads(count: number, word = "message"): string[] {
	return Array.from({ length: count }, (_, index) => `${word} ${index + 1}`);
}

function payloadsOf(messages: readonly Received[]): (string | undefined)[] {
	return messages.map((message) => message.payload);
}

async function delivers(t: Test, given: Case, qos: Qos): Promise<void> {
	const { client, version, broker } = given;
	const subscriber = await client.subscribe(t, broker, {
		version,
		clientId: `reader-${qos}`,
		filters: [`delivers/${qos}`],
		qos,
	});
	const sent = payloads(10);
	await client.publish(t, broker, {
		version,
		topic: `delivers/${qos}`,
		qos,
		payloads: sent,
	});
	const received = await subscriber.untilReceived(sent.length);
	t.same(payloadsOf(received), sent);
	for (const message of received) {
		t.equal(message.topic, `delivers/${qos}`);
		if (message.qos !== undefined) t.equal(message.qos, qos);
		if (message.retain !== undefined) t.equal(message.retain, false);
	}
	await subscriber.disconnect();
}

async function retains(t: Test, given: Case): Promise<void> {
	const { client, version, broker } = given;
	const topic = "retains/state";
	const publish = (payload: string, retain: boolean, to = topic) =>
		client.publish(t, broker, {
			version,
			topic: to,
			qos: 1,
			retain,
			payloads: [payload],
		});
	const subscribe = (clientId: string) =>
		client.subscribe(t, broker, {
			version,
			clientId,
			filters: ["retains/#"],
			qos: 1,
		});
	await publish("old", true);
	await publish("kept", true);
	const late = await subscribe("retains-late");
	const [kept] = await late.untilReceived(1);
	t.equal(kept?.payload, "kept");
	if (kept?.retain !== undefined) t.equal(kept.retain, true);
	await late.disconnect();

	await publish("", true);
	const after = await subscribe("retains-after");
	await publish("marker", false, "retains/marker");
	t.same(
		payloadsOf(await after.untilReceived(1)),
		["marker"],
		"nothing retained is left",
	);
	await after.disconnect();
}

async function firesWill(t: Test, given: Case): Promise<void> {
	const { client, version, broker } = given;
	const watcher = await client.subscribe(t, broker, {
		version,
		clientId: "will-watcher",
		filters: ["wills/#"],
		qos: 1,
	});
	const withWill = (clientId: string) =>
		client.subscribe(t, broker, {
			version,
			clientId,
			filters: ["unused"],
			qos: 0,
			will: { topic: `wills/${clientId}`, payload: "gone", qos: 1 },
		});
	const polite = await withWill("polite");
	await polite.disconnect();
	const doomed = await withWill("doomed");
	await doomed.crash();
	const expected =
		version === "5" && client.leavesWithWill
			? ["wills/polite", "wills/doomed"]
			: ["wills/doomed"];
	const wills = await watcher.untilReceived(expected.length);
	t.same(
		wills.map((message) => `${message.topic} ${message.payload}`),
		expected.map((topic) => `${topic} gone`),
		"a clean end fires a will only when DISCONNECT asks for it",
	);
	await watcher.disconnect();
}

async function shares(t: Test, given: Case): Promise<void> {
	const { client, version, broker } = given;
	const join = (clientId: string) =>
		client.subscribe(t, broker, {
			version,
			clientId,
			filters: ["$share/workers/jobs"],
			qos: 1,
		});
	const workers = [await join("worker-1"), await join("worker-2")];
	const sent = payloads(40, "job");
	await client.publish(t, broker, {
		version,
		topic: "jobs",
		qos: 1,
		payloads: sent,
	});
	const all = await untilTogether(workers, sent.length);
	t.same(payloadsOf(all).toSorted(), sent.toSorted(), "each job exactly once");
	for (const worker of workers) {
		t.ok(worker.received.length > 0, "both workers got a part");
	}
	await Promise.all(workers.map((one) => one.disconnect()));
}

/** Waits until several subscribers have received so many messages between them. */
async function untilTogether(
	subscribers: Awaited<ReturnType<InteropClient["subscribe"]>>[],
	count: number,
): Promise<readonly Received[]> {
	const all = () => subscribers.flatMap((one) => one.received);
	while (all().length < count) {
		// One more message has to arrive at one of them.
		await Promise.any(
			subscribers.map((one) => one.untilReceived(one.received.length + 1)),
		);
	}
	return all();
}

async function carriesLargePayload(t: Test, given: Case): Promise<void> {
	const { client, version, broker } = given;
	// Text without line ends, so that command line programs can print it.
	const payload = randomBytes((largeBytes(given) / 4) * 3).toString("base64");
	t.equal(payload.length, largeBytes(given));
	const file = join(t.testdir({}), "large.txt");
	await writeFile(file, payload);
	const subscriber = await client.subscribe(t, broker, {
		version,
		clientId: "large-reader",
		filters: ["large"],
		qos: 1,
	});
	const publisher = client.cannotSendLarge ? mqttJs("tcp", ["5"]) : client;
	await publisher.publish(t, broker, { version, topic: "large", qos: 1, file });
	const [message] = await subscriber.untilReceived(1);
	t.equal(message?.sha256, sha256(payload));
	await subscriber.disconnect();
}

/** 10 MB; mosquitto 2.0 loses so much over WebSocket, whichever client sends it. */
function largeBytes({ client, broker }: Case): number {
	const weak = broker.kind === "mosquitto" && client.transport === "ws";
	return weak ? 100_000 : 10_000_000;
}

/** MQTT.js publishes here: a thousand runs of a command line program prove nothing more. */
async function matchesManyTopics(t: Test, given: Case): Promise<void> {
	const { client, version, broker } = given;
	const topics = Array.from(
		{ length: 1000 },
		(_, index) => `site/${index % 10}/device/${index}/state`,
	);
	const filters = ["site/+/device/+/state", "site/3/#", "#", "site/+/device/7"];
	const expected = [1000, 100, 1000, 0];
	const subscribers = [];
	for (const [index, filter] of filters.entries()) {
		subscribers.push(
			await client.subscribe(t, broker, {
				version,
				clientId: `many-${index}`,
				filters: [filter],
				qos: 1,
			}),
		);
	}
	const publisher = await connectAsync(`mqtt://127.0.0.1:${broker.port}`);
	await Promise.all(
		topics.map((topic) => publisher.publishAsync(topic, topic, { qos: 1 })),
	);
	await publisher.endAsync();
	for (const [index, subscriber] of subscribers.entries()) {
		const count = expected[index] ?? 0;
		const received = await subscriber.untilReceived(count);
		t.equal(received.length, count, `messages for ${filters[index]}`);
		t.equal(new Set(received.map((message) => message.topic)).size, count);
		t.ok(received.every((message) => message.payload === message.topic));
	}
	await Promise.all(subscribers.map((one) => one.disconnect()));
}

async function keepsOfflineMessages(t: Test, given: Case): Promise<void> {
	const { client, version, broker } = given;
	const reader = {
		version,
		clientId: "away",
		filters: ["offline/#"],
		qos: 2,
		persistent: true,
	} as const;
	const before = await client.subscribe(t, broker, reader);
	await before.disconnect();
	await publishBoth(t, given);
	const after = await client.subscribe(t, broker, reader);
	t.same(payloadsOf(await after.untilReceived(40)), bothPayloads);
	await after.disconnect();
}

async function survivesRestart(t: Test, given: Case): Promise<void> {
	const { client, version, broker } = given;
	const reader = {
		version,
		clientId: "patient",
		filters: ["offline/#"],
		qos: 2,
		persistent: true,
	} as const;
	const before = await client.subscribe(t, broker, reader);
	await before.disconnect();
	await publishBoth(t, given);
	const code = await broker.stop();
	t.equal(code, 0, "SIGTERM ends the broker with exit code 0");
	await broker.restart();
	const after = await client.subscribe(t, broker, reader);
	const received = payloadsOf(await after.untilReceived(40));
	t.same(received, bothPayloads, `all in order with ${targetKind()}`);
	await after.disconnect();
}

const bothPayloads = [...payloads(20, "one"), ...payloads(20, "two")];

async function publishBoth(t: Test, given: Case): Promise<void> {
	for (const [qos, word] of [
		[1, "one"],
		[2, "two"],
	] as const) {
		await given.client.publish(t, given.broker, {
			version: given.version,
			topic: `offline/${word}`,
			qos,
			payloads: payloads(20, word),
		});
	}
}
