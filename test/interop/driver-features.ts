/** MQTT 5 features checked with every library that offers them to its user. */
import t from "tap";
import {
	type SpawnedBroker,
	spawnBroker,
	type TearDown,
} from "../support/spawn-broker.ts";
import type { DriverClient } from "./driver-client.ts";
import { interopConfig } from "./scenarios.ts";

/** The spelling of properties differs between the libraries; values do not. */
export interface PropertyNames {
	identifier: string;
	messageExpiry: string;
}

export function runVersion5Features(
	client: DriverClient,
	names: PropertyNames,
): void {
	t.test(`${client.name} with the features of MQTT 5`, async (t) => {
		const broker = await spawnBroker(t, { config: interopConfig });
		const connect = (more: Record<string, unknown>) =>
			client.connect(t, broker, "5", more);

		await t.test("forwards the properties of a message", async (t) => {
			const reader = await connect({ clientId: "reader" });
			await reader.ask({
				op: "subscribe",
				filters: ["props/#"],
				qos: 1,
				identifier: 7,
			});
			const writer = await connect({ clientId: "writer" });
			const userProperties = [
				["b", "1"],
				["a", "2"],
			];
			const given = { responseTopic: "answers", correlationData: "thread 7" };
			await writer.ask({
				op: "publish",
				topic: "props/1",
				qos: 1,
				retain: false,
				payloads: ["question"],
				properties: {
					...given,
					contentType: "text/plain",
					[names.messageExpiry]: 600,
					userProperties:
						client.name.startsWith("MQTT.js") === true
							? Object.fromEntries(userProperties)
							: userProperties,
				},
			});
			const [message] = await reader.untilReceived(1);
			const properties = message?.properties ?? {};
			t.match(properties, given);
			t.equal(properties.contentType, "text/plain");
			const left = Number(properties[names.messageExpiry]);
			t.ok(left > 500 && left <= 600, `${left} s are left of 600 s`);
			t.same([properties[names.identifier]].flat(), [7]);
			t.same(
				Array.isArray(properties.userProperties)
					? properties.userProperties
					: Object.entries(properties.userProperties ?? {}),
				userProperties,
			);
			await writer.disconnect();
			await reader.disconnect();
		});

		await t.test("says whether a session was present", async (t) => {
			const session = {
				clientId: "keeper",
				clean: false,
				sessionExpiry: 3600,
			};
			const first = await connect({ ...session, clean: true });
			await first.disconnect();
			const resumed = await reconnect(client, t, broker, session);
			t.equal(resumed, true, "kept for an hour");
			const forgotten = { ...session, clientId: "forgetter", sessionExpiry: 0 };
			const second = await connect({ ...forgotten, clean: true });
			await second.disconnect();
			const gone = await reconnect(client, t, broker, forgotten);
			t.equal(gone, false, "an expiry of zero ends with the connection");
		});

		await t.test("works within a Receive Maximum of one", async (t) => {
			const reader = await connect({
				clientId: "narrow",
				properties: { receiveMaximum: 1 },
			});
			await reader.ask({ op: "subscribe", filters: ["narrow"], qos: 2 });
			const writer = await connect({ clientId: "writer" });
			const payloads = Array.from({ length: 20 }, (_, index) => `${index}`);
			await writer.ask({
				op: "publish",
				topic: "narrow",
				qos: 2,
				retain: false,
				payloads,
			});
			const received = await reader.untilReceived(payloads.length);
			t.same(
				received.map((message) => message.payload),
				payloads,
			);
			await writer.disconnect();
			await reader.disconnect();
		});

		await t.test("offers topic aliases that the broker may use", async (t) => {
			const reader = await connect({
				clientId: "aliases",
				properties: { topicAliasMaximum: 5 },
			});
			await reader.ask({ op: "subscribe", filters: ["alias/#"], qos: 0 });
			const writer = await connect({ clientId: "writer" });
			const topics = ["alias/a", "alias/b", "alias/a", "alias/b"];
			for (const topic of topics) {
				await writer.ask({
					op: "publish",
					topic,
					qos: 1,
					retain: false,
					payloads: ["x"],
				});
			}
			const received = await reader.untilReceived(topics.length);
			t.same(
				received.map((message) => message.topic),
				topics,
			);
			await writer.disconnect();
			await reader.disconnect();
		});
	});
}

/** Connects and leaves again; whether the CONNACK reported a session. */
async function reconnect(
	client: DriverClient,
	t: TearDown,
	broker: SpawnedBroker,
	more: Record<string, unknown>,
): Promise<unknown> {
	const driver = await client.connect(t, broker, "5", more);
	await driver.disconnect();
	return driver.connack.sessionPresent;
}
