/**
 * What the interop scenarios need of a real client, whatever it is: a pair of
 * command line programs or a library behind a driver process.
 */
import { createHash } from "node:crypto";
import type { SpawnedBroker, TearDown } from "../support/spawn-broker.ts";

export type Version = "3.1" | "3.1.1" | "5";
export type Qos = 0 | 1 | 2;

export interface Received {
	topic: string;
	/** SHA-256 of the payload in hexadecimal. */
	sha256: string;
	/** The payload as text; left out by some clients when it is long. */
	payload?: string;
	qos?: number;
	retain?: boolean;
	/** MQTT 5 properties by the names of the driver. */
	properties?: Record<string, unknown>;
}

export interface Will {
	topic: string;
	payload: string;
	qos: Qos;
}

export interface SubscribeOptions {
	version: Version;
	clientId: string;
	filters: readonly string[];
	qos: Qos;
	/** Keeps the session when the connection ends. */
	persistent?: boolean;
	will?: Will;
}

export interface PublishOptions {
	version: Version;
	topic: string;
	qos: Qos;
	retain?: boolean;
	/** One message each, in order. */
	payloads?: string[];
	/** Or the contents of one file. */
	file?: string;
}

export interface Subscriber {
	readonly received: readonly Received[];
	/** Waits until at least so many messages have arrived. */
	untilReceived(count: number): Promise<readonly Received[]>;
	/** Ends with DISCONNECT. */
	disconnect(): Promise<void>;
	/** Ends the client's process with SIGKILL. */
	crash(): Promise<void>;
}

export interface InteropClient {
	readonly name: string;
	readonly transport: "tcp" | "ws";
	readonly versions: readonly Version[];
	/** Whether it can keep a session beyond its connection. */
	readonly keepsSessions: boolean;
	/** Whether with MQTT 5 its DISCONNECT asks for the will (reason code 0x04). */
	readonly leavesWithWill?: boolean;
	/** Set for a client that cannot send 10 MB itself, only receive it. */
	readonly cannotSendLarge?: boolean;
	/** Connects, subscribes and returns when the SUBACK has arrived. */
	subscribe(
		t: TearDown,
		broker: SpawnedBroker,
		options: SubscribeOptions,
	): Promise<Subscriber>;
	/** Publishes and returns when the messages are on their way or acknowledged. */
	publish(
		t: TearDown,
		broker: SpawnedBroker,
		options: PublishOptions,
	): Promise<void>;
}

export function sha256(payload: string | Buffer): string {
	return createHash("sha256").update(payload).digest("hex");
}

export function textMessage(
	topic: string,
	payload: string,
	more: Partial<Received> = {},
): Received {
	return { topic, payload, sha256: sha256(payload), ...more };
}
