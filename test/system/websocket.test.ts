/** MQTT.js over WebSocket, with payloads far above one frame of anything. */
import { randomBytes } from "node:crypto";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import t, { type Test } from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";

const MEGABYTE = 1024 * 1024;
const names = { 4: "3.1.1", 5: "5" } as const;

for (const version of [4, 5] as const) {
	t.test(
		`MQTT ${names[version]} over WebSocket carries a megabyte both ways`,
		async (t) => {
			const broker = await spawnBroker(t);
			const client = await connectWebSocket(t, broker, version);
			await client.subscribeAsync("megabyte/#", { qos: 2 });
			for (const qos of [0, 1, 2] as const) {
				const payload = randomBytes(MEGABYTE);
				const arrived = nextMessage(client);
				await client.publishAsync(`megabyte/${qos}`, payload, { qos });
				const [topic, received] = await arrived;
				t.equal(topic, `megabyte/${qos}`);
				t.ok(payload.equals(received), `QoS ${qos}: every byte is the same`);
			}
			await client.endAsync();
			t.equal(await broker.stop(), 0);
		},
	);

	t.test(
		`MQTT ${names[version]}: a megabyte from WebSocket to TCP and back`,
		async (t) => {
			const broker = await spawnBroker(t);
			const web = await connectWebSocket(t, broker, version);
			const tcp = await connectRaw({ port: broker.port, clientId: "tcp" });
			await tcp.subscribe("to/tcp", 1);
			await web.subscribeAsync("to/web", { qos: 1 });
			const payload = randomBytes(MEGABYTE);
			await web.publishAsync("to/tcp", payload, { qos: 1 });
			await tcp.until(() => tcp.received === 1, "the message over TCP");
			t.ok(tcp.messages[0]?.payload.equals(payload));
			const arrived = nextMessage(web);
			await tcp.publish("to/web", payload, 1);
			const [, received] = await arrived;
			t.ok(payload.equals(received));
		},
	);
}

t.test("a WebSocket client is told that the broker stops", async (t) => {
	const broker = await spawnBroker(t);
	const client = await connectWebSocket(t, broker, 5);
	const told = new Promise<number | undefined>((done) => {
		client.once("disconnect", ({ reasonCode }) => done(reasonCode));
	});
	const code = broker.stop();
	t.equal(await told, 0x8b, "Server shutting down");
	t.equal(await code, 0);
});

function nextMessage(client: MqttClient): Promise<[string, Buffer]> {
	return new Promise((done) => {
		client.once("message", (topic, payload) => done([topic, payload]));
	});
}

async function connectWebSocket(
	t: Test,
	broker: SpawnedBroker,
	protocolVersion: 4 | 5,
): Promise<MqttClient> {
	const options: IClientOptions = {
		protocolVersion,
		clientId: `web-${protocolVersion}`,
		reconnectPeriod: 0,
	};
	const url = `ws://127.0.0.1:${broker.wsPort}/mqtt`;
	const client = await connectAsync(url, options);
	t.teardown(() => client.end(true));
	return client;
}
