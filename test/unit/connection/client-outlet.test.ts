/** What one client can take: congestion, QoS 0 that is dropped, publishers that pause. */
import { Duplex } from "node:stream";
import t from "tap";
import { Connection } from "../../../src/connection/connection.ts";
import { SocketStream } from "../../../src/transport/socket-stream.ts";
import {
	type Rig,
	startRig,
	TestClient,
	turns,
} from "../broker/broker-fixture.ts";

/** A stream whose peer takes nothing until the test says so. */
class StuckStream extends Duplex {
	isStuck = false;
	#blocked: (() => void) | null = null;

	constructor() {
		super({ writableHighWaterMark: 1 });
	}

	override _read(): void {}

	override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
		if (this.isStuck) this.#blocked = done;
		else done();
	}

	override _writev(_chunks: unknown, done: () => void): void {
		this._write(Buffer.alloc(0), "", done);
	}

	/** The peer takes everything again. */
	release(): void {
		this.isStuck = false;
		const done = this.#blocked;
		this.#blocked = null;
		done?.();
	}
}

/** A subscriber of `a` with QoS 1, whose end of the line can get stuck. */
async function slowSubscriber(
	rig: Rig,
): Promise<{ stream: StuckStream; connection: Connection }> {
	const stream = new StuckStream();
	const socket = new SocketStream(stream, {
		transport: "tcp",
		listener: "tcp:default",
		remoteAddress: "127.0.0.1",
		remotePort: 1,
		isLoopback: true,
	});
	const connection = new Connection(rig.broker, socket, {
		name: "tcp:default",
		allowedProtocolVersions: [3, 4, 5],
		allowAnonymous: "on",
	});
	const bytes: Buffer[] = [];
	const [near] = [
		new Duplex({
			read() {},
			write(chunk, _encoding, done) {
				bytes.push(chunk);
				done();
			},
		}),
	];
	const writer = new TestClient(near, 4);
	writer.startConnect("slow", { clean: true });
	writer.startSubscribe("a", 1);
	stream.push(Buffer.concat(bytes));
	await turns();
	if (rig.broker.registry.get("slow")?.subscriptions.size !== 1)
		throw new Error("the slow subscriber is not in");
	return { stream, connection };
}

const KILOBYTE = "x".repeat(1024);

/** Publishes so much QoS 0, each message in a turn of its own. */
async function fill(publisher: TestClient, kilobytes: number): Promise<void> {
	for (let i = 0; i < kilobytes; i++) {
		publisher.publish("a", KILOBYTE);
		await turns(2);
	}
}

t.test(
	"a slow subscriber pauses its publisher at most slow_subscriber_pause, then loses QoS 0",
	async (t) => {
		const rig = await startRig(t, {
			outbox_high_water: "16KB",
			slow_subscriber_pause: "50ms",
		});
		const { stream, connection } = await slowSubscriber(rig);
		const publisher = await rig.join("publisher");
		stream.isStuck = true;
		await fill(publisher, 40);
		t.equal(rig.broker.statistics.publishersPaused, 1);
		t.equal(rig.broker.counters.droppedSlowReader, 0);
		t.ok(connection.outbox.isCongested);
		const before = rig.broker.statistics.publishReceived;
		await rig.clock.advanceAsync(40);
		t.equal(
			rig.broker.statistics.publishReceived,
			before,
			"not read meanwhile",
		);
		await rig.clock.advanceAsync(200);
		t.ok(await publisher.settle(), "and read again after it");
		t.equal(rig.broker.statistics.publishReceived, 40);
		t.ok(rig.broker.counters.droppedSlowReader > 0);
		t.equal(
			rig.broker.statistics.publishersPaused,
			1,
			"one pause for one episode",
		);
		t.ok(rig.broker.outboxes.used < 64 * 1024);
	},
);

t.test(
	"a publisher goes on as soon as its slow subscriber has caught up",
	async (t) => {
		const rig = await startRig(t, {
			outbox_high_water: "16KB",
			slow_subscriber_pause: "50ms",
		});
		const { stream } = await slowSubscriber(rig);
		const publisher = await rig.join("publisher");
		stream.isStuck = true;
		await fill(publisher, 40);
		t.ok(rig.broker.statistics.publishReceived < 40);
		stream.release();
		await turns(20);
		t.ok(await publisher.settle(), "without the clock");
		t.equal(rig.broker.statistics.publishReceived, 40);
		t.equal(rig.broker.counters.droppedSlowReader, 0);
	},
);

t.test("a publisher goes on when its slow subscriber is gone", async (t) => {
	const rig = await startRig(t, {
		outbox_high_water: "16KB",
		slow_subscriber_pause: "50ms",
	});
	const { stream } = await slowSubscriber(rig);
	const publisher = await rig.join("publisher");
	stream.isStuck = true;
	await fill(publisher, 40);
	stream.destroy();
	await turns(20);
	t.ok(await publisher.settle());
	t.equal(rig.broker.outboxes.used, 0);
});

t.test(
	"after a slow subscriber has caught up a new episode pauses again",
	async (t) => {
		const rig = await startRig(t, {
			outbox_high_water: "16KB",
			slow_subscriber_pause: "50ms",
		});
		const { stream } = await slowSubscriber(rig);
		const publisher = await rig.join("publisher");
		for (let episode = 1; episode <= 2; episode++) {
			stream.isStuck = true;
			await fill(publisher, 40);
			t.equal(rig.broker.statistics.publishersPaused, episode);
			stream.release();
			await turns(20);
		}
		t.equal(rig.broker.counters.droppedSlowReader, 0);
	},
);

t.test(
	"QoS 0 is dropped at twice the high-water mark even within the pause",
	async (t) => {
		const rig = await startRig(t, {
			outbox_high_water: "16KB",
			slow_subscriber_pause: "10s",
		});
		const { stream } = await slowSubscriber(rig);
		stream.isStuck = true;
		for (let i = 0; i < 60; i++) {
			const publisher = await rig.join(`publisher-${i}`);
			publisher.publish("a", KILOBYTE);
			await turns(1);
		}
		await turns();
		t.ok(rig.broker.counters.droppedSlowReader > 0);
		t.ok(rig.broker.outboxes.used < 128 * 1024);
	},
);

t.test(
	"QoS 1 stays in the queue of a slow subscriber and is sent later",
	async (t) => {
		const rig = await startRig(t, {
			outbox_high_water: "16KB",
			slow_subscriber_pause: "0",
			max_inflight_messages: "unlimited",
		});
		const { stream } = await slowSubscriber(rig);
		const publisher = await rig.join("publisher");
		stream.isStuck = true;
		for (let messageId = 1; messageId <= 40; messageId++) {
			publisher.publish("a", KILOBYTE, 1, { messageId });
			await turns(2);
		}
		t.equal((await publisher.settled()).length, 40);
		const session = rig.broker.registry.get("slow");
		const inflight = session?.outbound?.inflight.size ?? 0;
		t.ok(inflight < 30, `${inflight} in flight`);
		t.equal(session?.queuedMessages, 40);
		stream.release();
		await turns(20);
		t.equal(session?.outbound?.inflight.size, 40);
		t.equal(rig.broker.counters.droppedSlowReader, 0);
	},
);

t.test(
	"a client that takes nothing for send_timeout is disconnected",
	async (t) => {
		const rig = await startRig(t, {
			outbox_high_water: "16KB",
			send_timeout: "5s",
			slow_subscriber_pause: "0",
		});
		const { stream } = await slowSubscriber(rig);
		const publisher = await rig.join("publisher");
		stream.isStuck = true;
		await fill(publisher, 40);
		await rig.clock.advanceAsync(4500);
		t.equal(rig.broker.connections.size, 2);
		await rig.clock.advanceAsync(1000);
		t.equal(rig.broker.connections.size, 1);
		t.equal(rig.broker.statistics.sendTimeouts, 1);
		t.ok(stream.destroyed);
		t.match(rig.log.join("\n"), /send_timeout/);
		t.equal(rig.broker.outboxes.used, 0);
	},
);

t.test(
	"a publisher that subscribes to itself is not paused for itself",
	async (t) => {
		const rig = await startRig(t, {
			outbox_high_water: "16KB",
			slow_subscriber_pause: "10s",
		});
		const { stream, connection } = await slowSubscriber(rig);
		stream.isStuck = true;
		const frame = Buffer.concat([
			Buffer.of(0x30, 0x83, 0x08),
			Buffer.from("\0\x01a"),
			Buffer.alloc(1024),
		]);
		for (let i = 0; i < 30; i++) connection.onData(frame);
		await turns();
		t.equal(rig.broker.statistics.publishersPaused, 0);
		t.equal(rig.broker.statistics.publishReceived, 30);
	},
);

t.test(
	"nothing above the client's Maximum Packet Size is sent, shared bytes or not [MQTT-3.1.2-24]",
	async (t) => {
		const rig = await startRig(t, { topic_alias_max_broker: 5 });
		const publisher = await rig.join("publisher");
		for (const topicAliasMaximum of [0, 2]) {
			const subscriber = await rig.join(`s${topicAliasMaximum}`, {
				properties: { maximumPacketSize: 100, topicAliasMaximum },
			});
			await subscriber.subscribe("a");
			for (const qos of [0, 1] as const) {
				publisher.publish("a", "x".repeat(200), qos);
				publisher.publish("a", "small", qos);
			}
			await publisher.settle();
			const received = await subscriber.settled();
			t.match(received, [/^publish small q0/, /^publish small q1/]);
			t.equal(received.length, 2);
			subscriber.destroy();
			await publisher.settled();
		}
		t.equal(rig.broker.messages.used, 0);
	},
);

t.test(
	"aliases of the client's are used within its maximum, and not on redelivery [MQTT-3.1.2-26] [MQTT-3.1.2-27]",
	async (t) => {
		const rig = await startRig(t, { topic_alias_max_broker: 1 });
		const subscriber = await rig.join("s", {
			properties: { topicAliasMaximum: 5 },
		});
		await subscriber.subscribe("#", 0);
		const publisher = await rig.join("p");
		for (const topic of ["long/topic", "long/topic", "other"])
			publisher.publish(topic, "m");
		await publisher.settle();
		const sizes: number[] = [];
		const topics: string[] = [];
		for (let i = 0; i < 3; i++) {
			const arrival = await subscriber.next();
			if (typeof arrival === "string" || arrival.packet?.cmd !== "publish")
				throw new Error("no publish");
			sizes.push(arrival.bytes.length);
			topics.push(arrival.packet.topic);
		}
		t.strictSame(topics, ["long/topic", "long/topic", "other"]);
		t.equal((sizes[0] ?? 0) - (sizes[1] ?? 0), "long/topic".length);
	},
);
