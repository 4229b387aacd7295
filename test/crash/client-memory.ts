/**
 * What a client with flash memory knows of its sessions: made of its events alone, so that
 * it can be had as of any moment of a log.
 */
import type { Qos } from "../soak/wire-client.ts";
import type { Event, Numbered } from "./events.ts";

export interface Outgoing extends Numbered {
	qos: Qos;
	retain: boolean;
	/** PUBREC has come: only PUBREL is sent from now on. */
	isReleased: boolean;
}

export class ClientMemory {
	/** Messages whose handshake is not complete, by packet id, in the order of sending. */
	readonly outgoing = new Map<number, Outgoing>();
	/** Packet ids of QoS 2 messages that were received and not released. */
	readonly received = new Set<number>();
	/** Filters whose SUBACK has come. */
	readonly filters = new Set<string>();
	/** The last number sent to each topic. */
	readonly sent = new Map<string, number>();
	/** The number of its last will. */
	lastWill = 0;

	apply(event: Event): void {
		switch (event.did) {
			case "connect":
				// Whether or not the broker hears of it: from here on nothing is remembered.
				if (event.clean) this.forget();
				if (event.will !== null) this.lastWill = event.will.number;
				break;
			case "connack":
				if (!event.present) this.forget();
				break;
			case "subscribed":
				this.filters.add(event.filter);
				break;
			case "unsubscribe":
				this.filters.delete(event.filter);
				break;
			case "send":
				this.#send(event);
				break;
			case "pubrec":
				this.#release(event.id);
				break;
			case "puback":
			case "pubcomp":
				this.outgoing.delete(event.id);
				break;
			case "got":
				if (event.qos === 2) this.received.add(event.id);
				break;
			case "pubrel":
				this.received.delete(event.id);
				break;
			default:
		}
	}

	/** The session is a new one. */
	forget(): void {
		this.outgoing.clear();
		this.received.clear();
		this.filters.clear();
	}

	#send({ id, topic, number, qos, retain }: Event & { did: "send" }): void {
		const last = this.sent.get(topic) ?? 0;
		if (number > last) this.sent.set(topic, number);
		const isReleased = this.outgoing.get(id)?.isReleased === true;
		this.outgoing.set(id, { topic, number, qos, retain, isReleased });
	}

	#release(id: number): void {
		const outgoing = this.outgoing.get(id);
		if (outgoing !== undefined) outgoing.isReleased = true;
	}
}
