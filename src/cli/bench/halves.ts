/**
 * Runs in two halves: what the broker has to keep, and what it gives back. The second is the
 * one that is measured; the first is told as well.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { QoS } from "../../protocol/constants.ts";
import { encodePublish } from "../../protocol/encode-publish.ts";
import type { BenchConnection } from "./bench-connection.ts";
import type { Crowd } from "./crowd.ts";
import type { Sample, Span } from "./sample.ts";
import type { Scenario } from "./scenario.ts";
import { filterOf, topicsOf } from "./topics.ts";
import type { Traffic } from "./traffic.ts";

/** The broker writes what it has acknowledged, or collects garbage. */
const REST_MS = 300;
/** So long what comes twice may be late. */
const LATE_MS = 500;
/** Of one write, when topics are cleared. */
const CLEAR_AT_A_TIME = 500;

export interface Halves extends Span {
	readonly storing: Span;
}

/** Persistent subscribers leave, messages queue up for them, and all come back at once. */
export async function offline(
	scenario: Scenario,
	crowd: Crowd,
	traffic: Traffic,
	sample: () => Sample,
): Promise<Halves> {
	const isPersistent = true;
	await crowd.dismiss(await traffic.addSubscribers({ isPersistent }));
	const storing = await store(scenario, crowd, traffic, sample);
	traffic.awaits = "arrivals";
	const before = sample();
	const back = await crowd.join(scenario.subscribers, "s", traffic, {
		isPersistent,
	});
	await traffic.last(scenario.duration);
	const after = sample();
	await pause(LATE_MS);
	if (!scenario.keep) {
		await crowd.dismiss(back);
		// A clean start discards the session.
		await crowd.join(scenario.subscribers, "s", traffic, {
			isPersistent: false,
		});
	}
	return { before, after, storing };
}

/** Topics with a retained message each, and then a subscriber to all of them. */
export async function retained(
	scenario: Scenario,
	crowd: Crowd,
	traffic: Traffic,
	sample: () => Sample,
): Promise<Halves> {
	const storing = await store(scenario, crowd, traffic, sample);
	const [subscriber] = await crowd.join(1, "s", traffic);
	traffic.awaits = "arrivals";
	const before = sample();
	await subscriber?.subscribe([filterOf(scenario, 0)], scenario.qos as QoS);
	await traffic.last(scenario.duration);
	const after = sample();
	await pause(LATE_MS);
	if (!scenario.keep) {
		if (subscriber !== undefined) await crowd.dismiss([subscriber]);
		const [cleaner] = await crowd.join(1, "p", traffic);
		if (cleaner !== undefined) await clear(scenario, crowd, cleaner);
	}
	return { before, after, storing };
}

/** Publishers send all they have, and leave when it is acknowledged. */
async function store(
	scenario: Scenario,
	crowd: Crowd,
	traffic: Traffic,
	sample: () => Sample,
): Promise<Span> {
	const publishers = await traffic.addPublishers();
	traffic.awaits = "acknowledgements";
	const before = sample();
	traffic.start();
	await traffic.last(scenario.duration);
	const after = sample();
	traffic.stop();
	await crowd.dismiss(publishers);
	await pause(REST_MS);
	return { before, after };
}

/** An empty message takes the retained one away. */
async function clear(
	scenario: Scenario,
	crowd: Crowd,
	cleaner: BenchConnection,
): Promise<void> {
	const empty = Buffer.alloc(0);
	const topics = topicsOf(scenario, 0);
	for (let at = 0; at < topics.length && cleaner.isOpen; ) {
		const frames = topics.slice(at, at + CLEAR_AT_A_TIME).map((topic) =>
			encodePublish(
				{
					topic,
					qos: 0,
					retain: true,
					payload: empty,
					properties: empty,
					expirySeconds: -1,
				},
				{
					family: crowd.family,
					qos: 0,
					retain: true,
					dup: false,
					packetId: 0,
					identifiers: [],
					expirySeconds: -1,
					topicAlias: 0,
					omitTopic: false,
				},
			),
		);
		at += frames.length;
		cleaner.write(Buffer.concat(frames));
		while (cleaner.isBlocked && cleaner.isOpen) await pause(1);
	}
}
