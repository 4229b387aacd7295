/** What a crash leaves behind: sessions, subscriptions, retained messages, wills, expiry. */
import t, { type Test } from "tap";
import {
	type ConnectOptions,
	connectRaw,
	type RawClient,
	type Version,
} from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { linesWith, until } from "./waiting.ts";

const LONG_SECONDS = 3600;

t.test(
	"sessions and their subscriptions survive a crash [MQTT-3.1.2-23] [MQTT-3.2.2-3]",
	async (t) => {
		const broker = await spawnBroker(t);
		for (const version of [4, 5] as const) {
			const client = await keeper(broker, version, `keeper-${version}`);
			await client.subscribe(`for/${version}`, 2);
		}
		const away = await keeper(broker, 5, "away");
		await away.subscribe("for/+", 1);
		await away.disconnect();
		await crash(broker);
		const publisher = await connectRaw({
			port: broker.port,
			clientId: "publisher",
		});
		for (const version of [4, 5] as const) {
			await publisher.publish(`for/${version}`, "one", 2);
			const client = await resume(t, broker, version, `keeper-${version}`);
			await client.until(() => client.received === 1, "the message");
			t.equal(client.messages[0]?.qos, 2, "with the QoS subscribed");
		}
		const back = await resume(t, broker, 5, "away");
		await back.until(() => back.received === 2, "both messages");
		t.strictSame(
			back.messages.map(({ topic }) => topic),
			["for/4", "for/5"],
		);
	},
);

t.test("an unsubscription survives a crash", async (t) => {
	const broker = await spawnBroker(t);
	const client = await keeper(broker, 5, "keeper");
	await client.subscribe("stays", 1);
	await client.subscribe("goes", 1);
	client.write({
		cmd: "unsubscribe",
		messageId: 99,
		unsubscriptions: ["goes"],
	});
	await client.expect("unsuback");
	await crash(broker);
	const again = await resume(t, broker, 5, "keeper");
	const other = await connectRaw({ port: broker.port, clientId: "other" });
	await other.publish("goes", "no", 1);
	await other.publish("stays", "yes", 1);
	await again.until(() => again.received > 0, "the message");
	t.equal(again.messages[0]?.topic, "stays");
});

t.test(
	"retained messages survive a crash: the last one of each topic, and no deleted one",
	async (t) => {
		const broker = await spawnBroker(t, {
			config: { "store.lazy_interval": "50ms" },
		});
		const writer = await connectRaw({ port: broker.port, clientId: "writer" });
		await writer.publish("kept/1", "old", 1, true);
		await writer.publish("kept/1", "new", 1, true);
		await writer.publish("kept/2", "two", 2, true);
		await writer.publish("kept/gone", "x", 1, true);
		await writer.publish("kept/gone", "", 1, true);
		await crash(broker);
		const reader = await connectRaw({ port: broker.port, clientId: "reader" });
		await reader.subscribe("kept/#", 2);
		await reader.until(() => reader.received === 2, "both messages");
		await reader.ping();
		t.strictSame(
			reader.messages
				.map(({ topic, payload, retain }) => [topic, `${payload}`, retain])
				.sort(),
			[
				["kept/1", "new", true],
				["kept/2", "two", true],
			],
		);
	},
);

t.test(
	"a session that was cleared before the crash stays cleared [MQTT-3.1.2-4]",
	async (t) => {
		const broker = await spawnBroker(t);
		const client = await keeper(broker, 5, "keeper");
		await client.subscribe("topic", 1);
		await client.disconnect();
		const clean = await connectRaw({
			port: broker.port,
			version: 5,
			clientId: "keeper",
			clean: true,
		});
		t.notOk(clean.isClosed);
		await crash(broker);
		t.notOk(await isPresent(broker, "keeper", LONG_SECONDS));
	},
);

t.test(
	"the will of a crashed session is published after the restart [MQTT-3.1.2-8]",
	async (t) => {
		const broker = await spawnBroker(t);
		const watcher = await keeper(broker, 5, "watcher");
		await watcher.subscribe("will/#", 1);
		await withWill(broker, "now", 0);
		await withWill(broker, "soon", 1);
		await crash(broker);
		const back = await resume(t, broker, 5, "watcher");
		await back.until(() => back.received === 2, "both wills", 5000);
		t.strictSame(
			back.messages.map(({ topic, qos }) => [topic, qos]),
			[
				["will/now", 1],
				["will/soon", 1],
			],
		);
		await settle(broker);
		await crash(broker);
		const third = await resume(t, broker, 5, "watcher");
		await third.ping();
		t.equal(third.received, 0, "and not once more after the next restart");
	},
);

t.test(
	"a client that returns after the crash before its will is due keeps it back [MQTT-3.1.3-9]",
	async (t) => {
		const broker = await spawnBroker(t);
		const watcher = await keeper(broker, 5, "watcher");
		await watcher.subscribe("will/#", 1);
		await withWill(broker, "returns", 2);
		await withWill(broker, "does-not", 3);
		await crash(broker);
		const back = await resume(t, broker, 5, "watcher");
		t.ok(await isPresent(broker, "returns", LONG_SECONDS));
		await back.until(() => back.received > 0, "the other will", 8000);
		t.equal(back.messages[0]?.topic, "will/does-not");
		t.equal(back.received, 1);
	},
);

t.test("a will that was discarded stays so [MQTT-3.14.4-3]", async (t) => {
	const broker = await spawnBroker(t);
	const watcher = await keeper(broker, 5, "watcher");
	await watcher.subscribe("will/#", 1);
	const polite = await withWill(broker, "polite", 0);
	await polite.disconnect();
	await settle(broker);
	await withWill(broker, "rude", 0);
	await crash(broker);
	const back = await resume(t, broker, 5, "watcher");
	await back.until(() => back.received > 0, "the other will", 5000);
	await back.ping();
	t.strictSame(
		back.messages.map(({ topic }) => topic),
		["will/rude"],
	);
});

t.test("sessions expire on time across a restart [MQTT-4.1.0-2]", async (t) => {
	const broker = await spawnBroker(t);
	const leave = async (clientId: string, seconds: number) => {
		const client = await keeper(broker, 5, clientId, {
			sessionExpirySeconds: seconds,
		});
		await client.subscribe("topic", 1);
		await client.disconnect();
	};
	await leave("down", 1);
	const goneMs = Date.now();
	await leave("up", 4);
	await leave("long", LONG_SECONDS);
	await settle(broker);
	await broker.kill("SIGKILL");
	await until(() => Date.now() > goneMs + 1500, "the first one has expired");
	await broker.restart();
	t.notOk(
		await isPresent(broker, "down", 0),
		"expired while the broker was down",
	);
	const expired = () =>
		linesWith(broker.stderr(), "client=up").some((line) =>
			line.includes("expired"),
		);
	t.notOk(expired(), "the second one is still there");
	await until(expired, "the second one expires");
	t.ok(Date.now() >= goneMs + 4000, "not early");
	t.ok(Date.now() < goneMs + 8000, "the restart did not begin it anew");
	t.notOk(await isPresent(broker, "up", 0));
	t.ok(await isPresent(broker, "long", LONG_SECONDS));
});

t.test("messages expire on time across a restart [MQTT-3.3.2-5]", async (t) => {
	const broker = await spawnBroker(t);
	const client = await keeper(broker, 5, "keeper");
	await client.subscribe("topic", 1);
	await client.disconnect();
	const publisher = await connectRaw({
		port: broker.port,
		version: 5,
		clientId: "publisher",
	});
	const sendExpiring = async (payload: string, seconds: number) => {
		const target = publisher.acknowledged + 1;
		publisher.write({
			cmd: "publish",
			topic: "topic",
			payload,
			qos: 1,
			messageId: publisher.nextId(),
			retain: false,
			dup: false,
			properties: { messageExpiryInterval: seconds },
		});
		await publisher.until(() => publisher.acknowledged >= target, "a PUBACK");
	};
	await sendExpiring("short", 1);
	const sentMs = Date.now();
	await sendExpiring("long", 600);
	await broker.kill("SIGKILL");
	await until(() => Date.now() > sentMs + 1500, "the first has expired");
	await broker.restart();
	const back = await resume(t, broker, 5, "keeper");
	await back.until(() => back.received > 0, "a message");
	await back.ping();
	t.strictSame(
		back.messages.map(({ payload }) => `${payload}`),
		["long"],
	);
});

/** A client with a session that lasts. */
function keeper(
	{ port }: SpawnedBroker,
	version: Version,
	clientId: string,
	options: Partial<ConnectOptions> = {},
): Promise<RawClient> {
	return connectRaw({
		port,
		version,
		clientId,
		clean: false,
		sessionExpirySeconds: LONG_SECONDS,
		...options,
	});
}

/** A client that has to find its session. */
async function resume(
	t: Test,
	broker: SpawnedBroker,
	version: Version,
	clientId: string,
): Promise<RawClient> {
	const client = await keeper(broker, version, clientId);
	t.ok(client.sessionPresent, `${clientId} finds its session`);
	return client;
}

/** Connects and disconnects; says whether the session was there. */
async function isPresent(
	broker: SpawnedBroker,
	clientId: string,
	sessionExpirySeconds: number,
): Promise<boolean> {
	const client = await keeper(broker, 5, clientId, { sessionExpirySeconds });
	await client.disconnect();
	return client.sessionPresent;
}

function withWill(
	broker: SpawnedBroker,
	name: string,
	delaySeconds: number,
): Promise<RawClient> {
	const will = {
		topic: `will/${name}`,
		payload: name,
		qos: 1 as const,
		delaySeconds,
	};
	return keeper(broker, 5, name, { will });
}

/** Everything that happened before is on disk: an acknowledged message lies behind it. */
async function settle({ port }: SpawnedBroker): Promise<void> {
	const client = await connectRaw({ port, clientId: "settle" });
	await client.publish("settled", "yes", 1, true);
	await client.disconnect();
}

async function crash(broker: SpawnedBroker): Promise<void> {
	await broker.kill("SIGKILL");
	await broker.restart();
}
