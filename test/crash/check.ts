/**
 * Whether a log of events is one that a broker may produce which loses nothing that it
 * acknowledged. Knows nothing of the load or of the broker's code.
 *
 * As a program: `check.ts LOG` reads a log, prints a line for each violation and ends with
 * exit code 1 when there is any.
 */
import { type Event, readEvents } from "./events.ts";
import { Arrivals } from "./rule-arrivals.ts";
import { Retained } from "./rule-retained.ts";
import { Sessions } from "./rule-sessions.ts";
import { Subscriptions } from "./rule-subscriptions.ts";
import { Wills } from "./rule-wills.ts";
import { World } from "./world.ts";

export interface Finding {
	/** In words; empty when nothing is wrong. */
	violations: string[];
	sent: number;
	received: number;
	kills: number;
	looks: number;
	/** Handshakes of QoS 2 that kills have cut off, by what was awaited. */
	cutOff: { pubrec: number; pubcomp: number; pubrel: number };
}

/** @param lostFromMs acknowledgements from this moment on may be lost (`relaxed`) */
export function check(
	events: Iterable<Event>,
	lostFromMs = Number.POSITIVE_INFINITY,
): Finding {
	const world = new World(lostFromMs);
	const arrivals = new Arrivals(world, (who, topic) =>
		subscriptions.sureFrom(who, topic),
	);
	const subscriptions = new Subscriptions(world, arrivals);
	const sessions = new Sessions(world);
	const wills = new Wills(world, arrivals);
	const retained = new Retained(world);
	for (const event of events) {
		world.beforeMemory(event);
		for (const rule of [arrivals, subscriptions, sessions, wills, retained])
			rule.see(event);
		world.client(event.who).memory.apply(event);
	}
	subscriptions.finish();
	wills.finish();
	for (const who of world.clientNames()) {
		const { size } = world.client(who).memory.outgoing;
		if (size > 0)
			world.violation(`${who}: ${size} messages were never acknowledged`);
	}
	let sent = 0;
	for (const topic of world.topics.values()) sent += topic.sent;
	return {
		violations: world.violations,
		sent,
		received: arrivals.received,
		kills: world.killedAt.length,
		looks: retained.looks,
		cutOff: world.cutOff,
	};
}

if (import.meta.main) {
	const [path = ""] = process.argv.slice(2);
	const { violations, ...counts } = check(readEvents(path));
	for (const violation of violations) console.log(violation);
	console.log(JSON.stringify({ violations: violations.length, ...counts }));
	process.exitCode = violations.length === 0 ? 0 : 1;
}
