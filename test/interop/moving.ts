/** The real mosquitto with clients of a test, and our program that imports from it. */
import { connect as connectTcp } from "node:net";
import type { Packet } from "mqtt-packet";
import type { Test } from "tap";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { WireClient } from "../support/wire-client.ts";
import { type Ended, startByHand } from "../system/run-broker.ts";
import { requireProgram } from "./program.ts";

type Publish = Extract<Packet, { cmd: "publish" }>;

const mosquittoConfig = {
	queue_qos0_messages: "true",
	persistent_client_expiration: "1y",
};

const COMMAND_TIMEOUT_MS = 90_000;

export function open(broker: SpawnedBroker, version: 3 | 4 | 5): WireClient {
	return new WireClient(connectTcp(broker.port, "127.0.0.1"), version);
}

/** Runs our program to its end, on a busy machine too. */
export function run(t: Test, args: readonly string[]): Promise<Ended> {
	return startByHand(t, args).ended(COMMAND_TIMEOUT_MS);
}

/** Connects to a session that lasts. @returns whether it was there */
export async function resume(
	client: WireClient,
	clientId: string,
): Promise<boolean> {
	const properties = { sessionExpiryInterval: 7200 };
	const connack = await client.connect(clientId, {
		clean: false,
		...(client.version === 5 ? { properties } : {}),
	});
	return connack.sessionPresent;
}

export async function subscribe(
	client: WireClient,
	topic: string,
	options: { qos: 0 | 1 | 2; nl?: boolean; rap?: boolean },
	subscriptionIdentifier?: number,
): Promise<void> {
	client.write({
		cmd: "subscribe",
		messageId: 99,
		subscriptions: [{ topic, ...options }],
		...(subscriptionIdentifier === undefined
			? {}
			: { properties: { subscriptionIdentifier } }),
	});
	await client.expect("suback");
}

/** With its handshake to the end. */
export async function publish(
	client: WireClient,
	message: Partial<Publish> & { topic: string; payload: string },
): Promise<void> {
	const { qos = 1 } = message;
	const messageId = 1000;
	client.write({
		cmd: "publish",
		qos,
		retain: false,
		dup: false,
		...(qos > 0 ? { messageId } : {}),
		...message,
	});
	if (qos === 1) await client.expect("puback");
	if (qos === 2) {
		await client.expect("pubrec");
		client.write({ cmd: "pubrel", messageId });
		await client.expect("pubcomp");
	}
}

export function startMosquitto(t: Test): Promise<SpawnedBroker> {
	requireProgram("mosquitto", "mosquitto");
	return spawnBroker(t, { kind: "mosquitto", mosquittoConfig });
}
