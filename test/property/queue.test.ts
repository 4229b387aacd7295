/** The head of a queue against an array. */
import fc from "fast-check";
import t from "tap";
import type { InflightEntry } from "../../src/session/inflight.ts";
import { OfflineQueue } from "../../src/session/offline-queue.ts";
import { turns } from "../unit/session/hand-store.ts";
import {
	deliveryOf,
	disconnect,
	entryOf,
	makeContext,
	makeSession,
	NotingOutlet,
	subscriptionOf,
} from "../unit/session/session-fixture.ts";

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);

t.test(
	"a queue gives back what was put in, from the end that is asked for",
	async () => {
		fc.assert(
			fc.property(
				fc.array(fc.constantFrom("push", "push", "oldest", "newest", "clear"), {
					maxLength: 1500,
					size: "max",
				}),
				(operations) => {
					const queue = new OfflineQueue();
					let model: InflightEntry[] = [];
					let sequence = 0;
					for (const op of operations) {
						if (op === "push") {
							const entry = entryOf(undefined, {
								sequence: ++sequence,
								payload: "x".repeat(sequence % 50),
							});
							queue.push(entry);
							model.push(entry);
						} else if (op === "clear" && sequence % 97 === 0) {
							queue.clear();
							model = [];
						} else if (op !== "clear") {
							const taken = queue.take(op === "newest");
							const expected = op === "newest" ? model.pop() : model.shift();
							if (taken !== expected)
								throw new Error(
									`took ${taken?.sequence}, not ${expected?.sequence}`,
								);
						}
						if (queue.length !== model.length)
							throw new Error(`length ${queue.length}`);
					}
					const bytes = model.reduce(
						(sum, { message }) => sum + message.size,
						0,
					);
					if (queue.bytes !== bytes)
						throw new Error(`${queue.bytes} bytes, not ${bytes}`);
					if (queue.entries().some((entry, i) => entry !== model[i]))
						throw new Error("entries differ");
				},
			),
			{ numRuns: RUNS },
		);
	},
);

type Operation =
	| { do: "deliver"; count: number }
	| { do: "take"; count: number }
	| { do: "toggle" }
	| { do: "turn" };

/** A persistent session's queue, in memory and on disk, against the limits. */
t.test(
	"a persistent queue keeps order, drops only above its limits, and counts right",
	async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(
					fc.oneof<fc.Arbitrary<Operation>[]>(
						fc.record({
							do: fc.constant("deliver" as const),
							count: fc.integer({ min: 1, max: 90 }),
						}),
						fc.record({
							do: fc.constant("take" as const),
							count: fc.integer({ min: 1, max: 90 }),
						}),
						fc.constant({ do: "toggle" as const }),
						fc.constant({ do: "turn" as const }),
					),
					{ maxLength: 25, size: "max" },
				),
				async (operations) => {
					const context = makeContext({
						max_online_messages: 150,
						max_offline_messages: 200,
					});
					const session = makeSession(context, { expirySeconds: 1000 });
					const subscription = subscriptionOf(session, "#");
					let outlet = new NotingOutlet(4);
					session.attach(outlet);
					let sequence = 0;
					const received: number[] = [];
					const note = () => {
						for (const sent of outlet.take()) {
							const number = Number(sent.split(" ")[0]);
							if (!received.includes(number)) received.push(number);
						}
					};
					const take = async (count: number) => {
						for (let i = 0; i < count; i++) {
							await turns(1);
							const [entry] = session.outbound?.inflight.entries() ?? [];
							if (entry !== undefined) session.outbound?.complete(entry);
							note();
						}
					};
					for (const op of operations) {
						if (op.do === "deliver")
							for (let i = 0; i < op.count; i++)
								session.deliver(
									deliveryOf(context, `${++sequence}`),
									subscription,
								);
						else if (op.do === "take") await take(op.count);
						else if (op.do === "turn") await turns();
						else if (session.outbound === null) {
							outlet = new NotingOutlet(4);
							session.attach(outlet).pump();
						} else disconnect(session);
						note();
						if (session.queuedMessages > 204)
							throw new Error(`${session.queuedMessages} queued`);
					}
					if (session.outbound === null) {
						outlet = new NotingOutlet(4);
						session.attach(outlet).pump();
					}
					for (let left = -1; left !== session.queuedMessages; ) {
						left = session.queuedMessages;
						await turns();
						await take(20);
					}
					const inOrder = received.toSorted((a, b) => a - b);
					if (received.join() !== inOrder.join())
						throw new Error("out of order");
					const { droppedQueueFull } = context.counters;
					if (received.length + droppedQueueFull !== sequence)
						throw new Error(
							`${received.length} received, ${droppedQueueFull} dropped, ${sequence} published`,
						);
					if (session.queuedMessages !== 0 || session.queuedBytes !== 0)
						throw new Error("counted still");
					if (context.messageBudget.used !== 0)
						throw new Error("charged still");
				},
			),
			{ numRuns: Math.min(RUNS, 60) },
		);
	},
);
