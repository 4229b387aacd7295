/**
 * What one delivery of a message costs between the router and the socket: the frame of its
 * wire layout, and its copy into the subscriber's output. A stream that takes everything
 * stands for the socket. A few seconds:
 *
 *     node test/bench/fan-out.ts
 */
import { ByteBudget } from "../../src/platform/byte-budget.ts";
import { Fanout } from "../../src/protocol/fanout.ts";
import type { Family } from "../../src/protocol/messages.ts";
import { decodePublish, TopicMemory } from "../../src/protocol/publish.ts";
import type { ByteStream } from "../../src/transport/byte-stream.ts";
import { FlushLoop } from "../../src/transport/flush-loop.ts";
import { Outbox } from "../../src/transport/outbox.ts";
import { publishFrame } from "./load-connection.ts";
import { timePerCall } from "./micro-report.ts";

const DELIVERIES = 500_000;
const payload = Buffer.alloc(64, 0x61);
const sink = { pendingBytes: 0, write: () => true } as unknown as ByteStream;
const loop = new FlushLoop();
const budget = new ByteBudget("outboxes", Number.POSITIVE_INFINITY, "key");

/** @param family of the subscribers; publishers speak 3.1.1 */
function measure(subscribers: number, qos: 0 | 1, family: Family): void {
	const { frame: source, idOffset } = publishFrame("bench/0000", qos, payload);
	if (qos > 0) source.writeUInt16BE(1, idOffset);
	const memory = new TopicMemory();
	const outboxes = Array.from(
		{ length: subscribers },
		() => new Outbox(sink, loop, budget, 1_000_000),
	);
	const round = () => {
		let id = 0;
		for (let done = 0; done < DELIVERIES; done += subscribers) {
			const publish = decodePublish(source, 0, 2, source.length, 3, memory);
			const fanout = new Fanout(publish);
			for (const outbox of outboxes) {
				const layout = fanout.layout(family, qos > 0);
				const { frame, start, end, packetIdOffset } = layout;
				id = (id % 65_535) + 1;
				const first = 0x30 | (qos << 1);
				outbox.appendPublish(frame, start, end, first, packetIdOffset, id);
			}
		}
		loop.flush();
	};
	timePerCall(
		`QoS ${qos} to ${subscribers} of version ${family === 5 ? "5" : "3.1.1"}`,
		DELIVERIES,
		round,
	);
	for (const outbox of outboxes) outbox.close();
}

for (const subscribers of [1, 10, 100, 1000])
	for (const qos of [0, 1] as const) measure(subscribers, qos, 3);
for (const subscribers of [1, 100]) measure(subscribers, 1, 5);
