/**
 * One message at one subscriber: first occurrences in order, QoS 2 once, QoS 1 again only
 * when nobody can know that it had been received.
 */
import type { Event } from "./events.ts";
import type { Connection, World } from "./world.ts";

type Got = Event & { did: "got" };

/** Acknowledgements of a client that broke off may not have been read by the broker. */
const UNREAD_MS = 10_000;
/** Removals wait for `store.lazy_interval` (5 s) at most; a busy machine takes longer. */
const LAZY_MS = 15_000;

interface Arrival {
	readonly connection: Connection;
	/** When the last answer left: PUBACK, or PUBCOMP; Infinity while it is owed. */
	answeredAt: number;
}

class Stream {
	/** By number, in the order in which they came. */
	readonly arrivals = new Map<number, Arrival[]>();
	/** The highest number so far. */
	last = 0;
}

export class Arrivals {
	readonly #world: World;
	/** By subscriber and topic. */
	readonly #streams = new Map<string, Map<string, Stream>>();
	/** The last arrival by subscriber, answer that ends it, and packet id. */
	readonly #owed = new Map<string, Arrival>();
	/** What a subscriber holds under a QoS 2 packet id until PUBREL, in words. */
	readonly #held = new Map<string, string>();
	received = 0;

	readonly #sureFrom: (who: string, topic: string) => number;

	/** @param sureFrom the subscriber was to get all numbers of a topic above this one, in order */
	constructor(world: World, sureFrom: (who: string, topic: string) => number) {
		this.#world = world;
		this.#sureFrom = sureFrom;
	}

	has(who: string, topic: string, number: number): boolean {
		return this.#stream(who, topic).arrivals.has(number);
	}

	see(event: Event): void {
		switch (event.did) {
			case "connect":
				if (event.clean) this.#forget(event.who);
				break;
			case "got":
				this.#got(event);
				break;
			case "answer":
				this.#answer(event);
				break;
			default:
		}
	}

	#got(event: Got): void {
		const { who, topic, number, qos, id, dup } = event;
		const { memory } = this.#world.client(who);
		const key = `${who} ${id}`;
		const what = `${topic} ${number}`;
		if (qos === 2) {
			const held = this.#held.get(key);
			this.#held.set(key, what);
			if (memory.received.has(id)) {
				// A broker that has lost some time does not know what the id holds by now: its
				// client takes the message for the other one, and that is all there is to see.
				const isBinding = this.#world.lostFromMs === Number.POSITIVE_INFINITY;
				if (!isBinding && held !== what) this.#arrive(event);
				else if (!dup || held !== what)
					this.#wrong(event, `under an id that holds ${held}`);
				return; // The same handshake goes on.
			}
		}
		this.received++;
		if (qos > 0 && !topic.startsWith("kept/")) this.#arrive(event);
	}

	#arrive(event: Got): void {
		const { who, topic, number, qos, id } = event;
		const { connection } = this.#world.client(who);
		const stream = this.#stream(who, topic);
		const earlier = stream.arrivals.get(number) ?? [];
		if (earlier.length > 0) {
			this.#again(event, earlier, connection);
		} else {
			const isOrdered = number > this.#sureFrom(who, topic);
			if (isOrdered && number < stream.last)
				this.#wrong(event, `after ${stream.last}`);
			stream.last = Math.max(stream.last, number);
		}
		const arrival = { connection, answeredAt: Number.POSITIVE_INFINITY };
		stream.arrivals.set(number, [...earlier, arrival]);
		this.#owed.set(`${who} ${qos === 2 ? "pubcomp" : "puback"} ${id}`, arrival);
	}

	/** Each time it was published is a message, and so is each arrival that is in doubt. */
	#again(event: Got, earlier: Arrival[], connection: Connection): void {
		const { topic, number, qos } = event;
		const world = this.#world;
		const isForgiven = earlier.every(
			({ answeredAt }) => answeredAt >= world.lostFromMs,
		);
		if (qos === 2) {
			if (!isForgiven || world.lostFromMs === Number.POSITIVE_INFINITY)
				this.#wrong(event, "for the second time (QoS 2)");
			return;
		}
		const transmissions = world.topic(topic).transmissions[number] ?? 0;
		const onThis = earlier.filter((each) => each.connection === connection);
		const doubtful = earlier.filter((each) => this.#isDoubtful(each));
		if (onThis.length >= transmissions)
			this.#wrong(event, "too often on one connection");
		else if (earlier.length >= transmissions + doubtful.length)
			this.#wrong(event, "again, and had been acknowledged long before");
	}

	/** The broker may not know, or not know any more, that the client has it. */
	#isDoubtful({ answeredAt, connection }: Arrival): boolean {
		const { endedAt, politely } = connection;
		if (answeredAt >= this.#world.lostFromMs) return true;
		if (!politely && endedAt - answeredAt < UNREAD_MS) return true;
		const settledAt = politely
			? this.#world.settledAt.find((at) => at > endedAt)
			: undefined;
		const onDiskAt = Math.min(answeredAt + LAZY_MS, settledAt ?? Infinity);
		return this.#world.wasKilledBetween(answeredAt, onDiskAt);
	}

	/** PUBACK is for QoS 1, PUBCOMP for QoS 2: an id may be in use for both, one after the other. */
	#answer({ who, packet, id, at }: Event & { did: "answer" }): void {
		const arrival = this.#owed.get(`${who} ${packet} ${id}`);
		if (arrival !== undefined) arrival.answeredAt = at;
	}

	/** A client that discards its session may be sent anything again by a broker that does not. */
	#forget(who: string): void {
		this.#streams.delete(who);
	}

	#stream(who: string, topic: string): Stream {
		let ofClient = this.#streams.get(who);
		if (ofClient === undefined) {
			ofClient = new Map();
			this.#streams.set(who, ofClient);
		}
		let stream = ofClient.get(topic);
		if (stream === undefined) {
			stream = new Stream();
			ofClient.set(topic, stream);
		}
		return stream;
	}

	#wrong({ who, topic, number, id, dup }: Got, how: string): void {
		this.#world.violation(
			`${who}: ${topic} ${number} (id ${id}${dup ? ", DUP" : ""}) came ${how}`,
		);
	}
}
