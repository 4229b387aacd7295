/**
 * Moving over from the real mosquitto: its clients come back to our broker and find
 * everything where it was. About 10 seconds.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import type { WireClient } from "../support/wire-client.ts";
import type { Ended } from "../system/run-broker.ts";
import {
	open,
	publish,
	resume,
	run,
	startMosquitto,
	subscribe,
} from "./moving.ts";

/** What comes, in few words; answered by nobody. */
async function arrivals(client: WireClient, count: number): Promise<string[]> {
	const lines: string[] = [];
	while (lines.length < count) {
		const arrival = await client.next();
		if (typeof arrival === "string") return [...lines, arrival];
		const { packet } = arrival;
		lines.push(
			packet?.cmd === "publish"
				? `${packet.topic}=${packet.payload} q${packet.qos} #${packet.messageId ?? 0}${packet.dup ? " dup" : ""}${packet.retain ? " retain" : ""}`
				: `${packet?.cmd} #${packet?.messageId}`,
		);
	}
	return lines;
}

interface Moved {
	readonly ended: Ended;
	readonly broker: SpawnedBroker;
}

/** Imports what mosquitto has left, and starts our broker on it. */
async function move(t: Test, mosquitto: SpawnedBroker): Promise<Moved> {
	const folder = t.testdir();
	const data = join(folder, "data");
	mkdirSync(data);
	const conf = join(dirname(mosquitto.dataDir), "broker.conf");
	const output = join(folder, "broker.conf");
	const ended = await run(t, [
		..."import mosquitto".split(" "),
		conf,
		...["--output", output, "--data", data],
	]);
	t.equal(ended.code, 0, ended.stderr);
	t.strictSame(readdirSync(data), ["broker.db"], "nothing is left beside it");
	const checked = await run(t, ["--check-config", "-c", output]);
	t.equal(checked.code, 0, checked.stdout);
	const sound = await run(t, ["state", "check", "-c", output]);
	t.equal(sound.code, 0, sound.stdout);
	const broker = await spawnBroker(t, {
		kind: "broker",
		dataFrom: data,
		config: { queue_qos0_messages: "on" },
	});
	return { ended, broker };
}

t.test("clients find their sessions, queues and handshakes", async (t) => {
	const mosquitto = await startMosquitto(t);
	const plain = open(mosquitto, 4);
	await resume(plain, "plain");
	await subscribe(plain, "house/#", { qos: 2 });
	await subscribe(plain, "/led", { qos: 1 });
	plain.destroy();
	const modern = open(mosquitto, 5);
	await resume(modern, "modern");
	await subscribe(modern, "house/+", { qos: 1, nl: true, rap: true }, 7);
	modern.destroy();

	const sender = open(mosquitto, 5);
	await sender.connect("sender");
	const properties = {
		contentType: "text/plain",
		responseTopic: "answer/here",
		correlationData: Buffer.from("thread"),
		payloadFormatIndicator: true,
		userProperties: { b: ["2", "3"], a: "1" },
		messageExpiryInterval: 5000,
	};
	for (let i = 1; i <= 6; i++) {
		const qos = (i % 3) as 0 | 1 | 2;
		const message = { topic: "house/x", payload: `${i}`, qos };
		await publish(sender, {
			...message,
			...(i === 1 ? { properties, retain: true } : {}),
		});
	}
	// What is in flight now is cut off at another point of its handshake each.
	const cut = open(mosquitto, 4);
	t.ok(await resume(cut, "plain"));
	const sent = await arrivals(cut, 6);
	const idOf = (payload: number) => {
		const line = sent.find((one) => one.startsWith(`house/x=${payload} `));
		return Number(/#(\d+)/.exec(line ?? "#0")?.[1]);
	};
	cut.write({ cmd: "pubrec", messageId: idOf(2) });
	t.strictSame(await arrivals(cut, 1), [`pubrel #${idOf(2)}`]);
	cut.destroy();
	for (const qos of [1, 2, 0] as const)
		await publish(sender, { topic: "house/x", payload: `away ${qos}`, qos });
	await publish(sender, { topic: "/led", payload: "on", qos: 1 });
	const publisher = open(mosquitto, 4);
	await resume(publisher, "publisher");
	publisher.write({
		cmd: "publish",
		topic: "house/late",
		payload: "not released",
		qos: 2,
		messageId: 9,
		retain: false,
		dup: false,
	});
	await publisher.expect("pubrec");
	publisher.destroy();
	await sender.settle();
	await mosquitto.stop();

	const { ended, broker } = await move(t, mosquitto);
	t.match(ended.stdout, /3 sessions, 3 subscriptions/);
	t.match(ended.stdout, /1 message of QoS 2 .* passed on now, once/);

	const back = open(broker, 4);
	t.ok(await resume(back, "plain"), "the session is there");
	const again = await arrivals(back, 4);
	t.strictSame(
		again,
		[
			`house/x=1 q1 #${idOf(1)} dup`,
			`pubrel #${idOf(2)}`,
			`house/x=4 q1 #${idOf(4)} dup`,
			`house/x=5 q2 #${idOf(5)} dup`,
		],
		"in order, under the same packet ids, at the same phase",
	);
	// QoS 2 waits for the disk, others may overtake it: in order for each QoS.
	const rest = await drain(back, again, 5);
	const ofQos = (qos: number) =>
		rest.filter((line) => line.endsWith(` q${qos}`));
	t.strictSame(ofQos(0), ["house/x=away 0 q0"]);
	t.strictSame(ofQos(1), ["house/x=away 1 q1", "/led=on q1"]);
	t.strictSame(ofQos(2), ["house/x=away 2 q2", "house/late=not released q2"]);
	t.equal(rest.length, 5, `${rest}`);

	const modernAgain = open(broker, 5);
	t.ok(await resume(modernAgain, "modern"));
	const one = await modernAgain.expect("publish");
	t.match(one, {
		topic: "house/x",
		retain: true,
		properties: {
			contentType: "text/plain",
			responseTopic: "answer/here",
			payloadFormatIndicator: true,
			subscriptionIdentifier: 7,
		},
	});
	t.same(one.properties?.correlationData, Buffer.from("thread"));
	t.same({ ...one.properties?.userProperties }, { b: ["2", "3"], a: "1" });
	const left = one.properties?.messageExpiryInterval ?? 0;
	t.ok(left > 4800 && left <= 5000, `${left} s are left of 5000 s`);

	const own = open(broker, 4);
	t.ok(await resume(own, "publisher"));
	own.write({
		cmd: "publish",
		topic: "house/late",
		payload: "not released",
		qos: 2,
		messageId: 9,
		retain: false,
		dup: true,
	});
	await own.expect("pubrec");
	own.write({ cmd: "pubrel", messageId: 9 });
	await own.expect("pubcomp");
	await publish(own, { topic: "house/new", payload: "still subscribed" });
	t.strictSame(
		await drain(back, [], 1),
		["house/new=still subscribed q1"],
		"what was late came once",
	);
});

/** Answers all, from what has come already on. @returns what else comes, without packet ids */
async function drain(
	client: WireClient,
	before: readonly string[],
	count: number,
): Promise<string[]> {
	const lines: string[] = [];
	const answer = (line: string) => {
		const messageId = Number(/#(\d+)/.exec(line)?.[1]);
		if (line.startsWith("pubrel")) client.write({ cmd: "pubcomp", messageId });
		else if (/ q1 /.test(line)) client.write({ cmd: "puback", messageId });
		else if (/ q2 /.test(line)) client.write({ cmd: "pubrec", messageId });
	};
	for (const line of before) answer(line);
	while (lines.length < count) {
		const [line = ""] = await arrivals(client, 1);
		if (line === "closed" || line === "timeout") return [...lines, line];
		answer(line);
		if (!line.startsWith("pubrel")) lines.push(line.replace(/ #\d+.*$/, ""));
	}
	await client.settle();
	for (const { packet } of client.pending)
		if (packet?.cmd === "publish") lines.push(`also ${packet.topic}`);
	return lines;
}

t.test("retained messages keep what they were published with", async (t) => {
	const mosquitto = await startMosquitto(t);
	const sender = open(mosquitto, 5);
	await sender.connect("sender");
	for (let i = 0; i < 300; i++)
		await publish(sender, {
			topic: `kept/${i}`,
			payload: `${"x".repeat(i * 10)}${i}`,
			qos: (i % 2) as 0 | 1,
			retain: true,
		});
	await publish(sender, { topic: "kept/7", payload: "", retain: true });
	await publish(sender, {
		topic: "kept/short",
		payload: "gone soon",
		retain: true,
		properties: { messageExpiryInterval: 1, userProperties: { x: "y" } },
	});
	await sender.settle();
	await mosquitto.stop();
	const { broker } = await move(t, mosquitto);
	const reader = open(broker, 4);
	await reader.connect("reader");
	await subscribe(reader, "kept/#", { qos: 0 });
	const found = new Map<string, string>();
	const isAll = () =>
		[...found.keys()].filter((topic) => topic !== "kept/short").length === 299;
	while (!isAll()) {
		const { topic, payload, retain } = await reader.expect("publish");
		t.ok(retain);
		found.set(topic, String(payload));
	}
	found.delete("kept/short"); // it may have been in time
	for (const [topic, payload] of found) {
		const i = Number(topic.slice("kept/".length));
		if (payload !== `${"x".repeat(i * 10)}${i}`) t.fail(topic);
	}
	t.notOk(found.has("kept/7"));
});
