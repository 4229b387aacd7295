/** The in-flight window: ids are never used twice, the window is never exceeded. */
import fc from "fast-check";
import t from "tap";
import { Inflight, type InflightEntry } from "../../src/session/inflight.ts";
import { turns } from "../unit/session/hand-store.ts";
import {
	acknowledge,
	committed,
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
	"a packet id is free again only after its message has left the window [MQTT-2.2.1-3] [MQTT-2.2.1-4]",
	async () => {
		const owner = { onEntryDurable: () => {} };
		fc.assert(
			fc.property(
				fc.array(
					fc.oneof(
						fc.record({ add: fc.constantFrom(0, 0, 0, 1, 7, 65_535) }),
						fc.record({ remove: fc.nat(50) }),
					),
					{ maxLength: 200, size: "max" },
				),
				(operations) => {
					const inflight = new Inflight(1);
					const model: InflightEntry[] = [];
					for (const op of operations) {
						if ("add" in op) {
							const entry = entryOf();
							entry.packetId = op.add;
							inflight.add(entry, owner);
							if (entry.packetId < 1 || entry.packetId > 65_535)
								throw new Error("id out of range");
							if (model.some(({ packetId }) => packetId === entry.packetId))
								throw new Error(`id ${entry.packetId} is in use`);
							model.push(entry);
						} else if (model.length > 0) {
							const [entry] = model.splice(op.remove % model.length, 1);
							if (entry !== undefined) inflight.remove(entry);
						}
						const ids = [...inflight.entries()];
						if (
							ids.length !== model.length ||
							ids.some((entry, i) => entry !== model[i])
						)
							throw new Error("not in the order of sending"); // [MQTT-4.6.0-1]
					}
				},
			),
			{ numRuns: RUNS },
		);
	},
);

type Operation =
	| { do: "deliver"; qos: 1 | 2 }
	| { do: "complete" | "release"; index: number }
	| { do: "reconnect"; window: number };

const operation: fc.Arbitrary<Operation> = fc.oneof(
	{
		weight: 6,
		arbitrary: fc.record({
			do: fc.constant("deliver" as const),
			qos: fc.constantFrom<1 | 2>(1, 2),
		}),
	},
	{
		weight: 5,
		arbitrary: fc.record({
			do: fc.constantFrom<"complete" | "release">("complete", "release"),
			index: fc.nat(9),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			do: fc.constant("reconnect" as const),
			window: fc.integer({ min: 1, max: 6 }),
		}),
	},
);

for (const expirySeconds of [0, 1000])
	t.test(
		`a ${expirySeconds === 0 ? "clean" : "persistent"} session never exceeds its window and forgets nothing [MQTT-3.3.4-9] [MQTT-4.9.0-2]`,
		async () => {
			await fc.assert(
				fc.asyncProperty(
					fc.array(operation, { maxLength: 80, size: "max" }),
					async (operations) => {
						const context = makeContext();
						const session = makeSession(context, { expirySeconds });
						const subscription = subscriptionOf(session, "#");
						let window = 3;
						let owed = 0;
						session.attach(new NotingOutlet(window));
						const inflight = () => [
							...(session.outbound?.inflight.entries() ?? []),
						];
						const check = () => {
							if (inflight().length > window)
								throw new Error(
									`${inflight().length} in a window of ${window}`,
								);
							if (session.queuedMessages !== owed)
								throw new Error(
									`${session.queuedMessages} counted, ${owed} owed`,
								);
						};
						for (const op of operations) {
							if (op.do === "deliver") {
								session.deliver(
									deliveryOf(context, "m", { qos: op.qos }),
									subscription,
								);
								owed++;
							} else if (op.do === "reconnect") {
								if (expirySeconds === 0) continue;
								disconnect(session);
								window = op.window;
								session.attach(new NotingOutlet(window)).pump();
							} else {
								const sent = inflight().filter((entry) => entry.wasSent);
								const entry = sent[op.index % Math.max(1, sent.length)];
								if (entry === undefined) continue;
								if (op.do === "release" && entry.qos === 2)
									session.outbound?.release(entry);
								else {
									acknowledge(session, entry.packetId);
									owed--;
								}
							}
							check();
							await turns(1);
							check();
						}
						for (let idle = 0; idle < 5; ) {
							await committed(context.store); // and read, what was asked for before
							await turns(2);
							const [entry] = inflight();
							if (entry === undefined) {
								if (session.outbound?.queue.isLoading !== true) idle++;
								continue;
							}
							idle = 0;
							acknowledge(session, entry.packetId);
							owed--;
						}
						check();
						if (owed !== 0) throw new Error(`${owed} were never sent`);
						if (context.messageBudget.used !== 0)
							throw new Error("bytes are still charged");
					},
				),
				{ numRuns: RUNS },
			);
		},
	);
