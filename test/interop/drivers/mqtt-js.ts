/** Drives MQTT.js by JSON lines: see json_lines.py for the commands and events. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import {
	connect as connectLater,
	type IClientOptions,
	type IPublishPacket,
	type MqttClient,
} from "mqtt";

const longPayload = 65_536;

interface Command {
	id: number;
	op: string;
	host: string;
	port: number;
	transport: "tcp" | "ws";
	version: 3 | 4 | 5;
	clientId: string;
	clean: boolean;
	sessionExpiry?: number;
	will?: { topic: string; payload: string; qos: 0 | 1 | 2 };
	properties?: Record<string, unknown>;
	filters: string[];
	identifier?: number;
	topic: string;
	qos: 0 | 1 | 2;
	retain: boolean;
	payloads: string[];
	file?: string;
}

let client: MqttClient | undefined;

function tell(event: string, values: Record<string, unknown>): void {
	process.stdout.write(`${JSON.stringify({ event, ...values })}\n`);
}

function tellMessage(topic: string, packet: IPublishPacket): void {
	const payload = Buffer.from(packet.payload);
	const { correlationData, userProperties, ...others } =
		packet.properties ?? {};
	tell("message", {
		topic,
		sha256: createHash("sha256").update(payload).digest("hex"),
		...(payload.length < longPayload ? { payload: payload.toString() } : {}),
		qos: packet.qos,
		retain: packet.retain,
		properties: {
			...others,
			...(userProperties === undefined ? {} : { userProperties }),
			...(correlationData === undefined
				? {}
				: { correlationData: correlationData.toString() }),
		},
	});
}

function connect(command: Command): Promise<Record<string, unknown>> {
	const { host, port, transport, version, will } = command;
	const options: IClientOptions = {
		clientId: command.clientId || `driver-${process.pid}`,
		clean: command.clean,
		protocolVersion: version,
		protocolId: version === 3 ? "MQIsdp" : "MQTT",
		reconnectPeriod: 0,
		connectTimeout: 20_000,
		keepalive: 30,
		...(will === undefined
			? {}
			: {
					will: {
						topic: will.topic,
						payload: Buffer.from(will.payload),
						qos: will.qos,
						retain: false,
					},
				}),
	};
	if (version === 5) {
		options.properties = {
			sessionExpiryInterval: command.sessionExpiry ?? 0,
			...command.properties,
		};
	}
	const url =
		transport === "tcp"
			? `mqtt://${host}:${port}`
			: `ws://${host}:${port}/mqtt`;
	// Messages of a resumed session follow the CONNACK at once, so the listener
	// is there before the connection stands.
	client = connectLater(url, options);
	// The packet has no topic when the broker used an alias.
	client.on("message", (topic, _payload, packet) => tellMessage(topic, packet));
	return new Promise((done, fail) => {
		client?.once("connect", (connack) =>
			done({ sessionPresent: connack.sessionPresent }),
		);
		client?.once("error", fail);
		client?.once("close", () => fail(new Error("the connection was closed")));
	});
}

async function subscribe(command: Command): Promise<Record<string, unknown>> {
	if (client === undefined) throw new Error("not connected");
	const granted = await client.subscribeAsync(command.filters, {
		qos: command.qos,
		...(command.identifier === undefined
			? {}
			: { properties: { subscriptionIdentifier: command.identifier } }),
	});
	return { granted: granted.map((one) => one.qos) };
}

async function publish(command: Command): Promise<void> {
	const payloads =
		command.file === undefined
			? command.payloads
			: [await readFile(command.file)];
	const { topic, qos, retain } = command;
	const properties = { ...command.properties };
	if (typeof properties.correlationData === "string") {
		properties.correlationData = Buffer.from(properties.correlationData);
	}
	await Promise.all(
		payloads.map((payload) =>
			client?.publishAsync(topic, payload, { qos, retain, properties }),
		),
	);
}

async function disconnect(): Promise<void> {
	await client?.endAsync();
}

const handlers: Record<string, (command: Command) => Promise<unknown>> = {
	connect,
	subscribe,
	publish,
	disconnect,
};

for await (const line of createInterface({ input: process.stdin })) {
	const command = JSON.parse(line) as Command;
	try {
		const answer = await handlers[command.op]?.(command);
		tell("done", { id: command.id, ...(answer ?? {}) });
	} catch (error) {
		tell("failed", { id: command.id, reason: String(error) });
	}
}
