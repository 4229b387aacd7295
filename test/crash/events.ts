/**
 * What clients did and saw, one event after the other: the only thing that passes between
 * the load and the checker. A log of events is enough to say what a broker owes, and what
 * each client knows of its sessions (client-memory.ts).
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Qos } from "../soak/wire-client.ts";

/** Numbers of one topic count up from 1 in the order in which they are sent first. */
export interface Numbered {
	topic: string;
	number: number;
}

export type Deed =
	| { did: "connect"; clean: boolean; expirySeconds: number; will: Will | null }
	| { did: "connack"; present: boolean }
	/** The connection is over; politely: after a DISCONNECT that the broker had answered by its close. */
	| { did: "gone"; politely: boolean }
	| { did: "subscribe"; filter: string; qos: Qos }
	| { did: "subscribed"; filter: string }
	| { did: "unsubscribe"; filter: string }
	| { did: "unsubscribed"; filter: string }
	| ({ did: "send"; id: number; qos: Qos; retain: boolean } & Numbered)
	/** An answer to a message that was sent. */
	| { did: "puback" | "pubrec" | "pubcomp"; id: number }
	/** A PUBLISH arrived; number 0 when the payload is empty. */
	| ({
			did: "got";
			id: number;
			qos: Qos;
			dup: boolean;
			retain: boolean;
	  } & Numbered)
	| { did: "pubrel"; id: number }
	/** Sent to the broker: PUBACK, PUBREC or PUBCOMP. */
	| { did: "answer"; packet: "puback" | "pubrec" | "pubcomp"; id: number }
	/** A reader has all retained messages that there are. */
	| { did: "looked" }
	/** The broker did what the standard forbids, in words. */
	| { did: "wrong"; what: string }
	/** Of the broker, by whoever kills and starts it. */
	| { did: "killed" | "started" }
	/** What clients had answered before they left politely is on the disk by now. */
	| { did: "settled" };

export interface Will {
	number: number;
	delaySeconds: number;
}

export type Event = Deed & {
	/** Unix time in milliseconds, by a clock that never jumps. */
	at: number;
	/** Flushes in the disk's write log when it happened; 0 where nobody counts. */
	disk: number;
	who: string;
};

/** Where events go; `disk` tells how many flushes there were. */
export class EventLog {
	readonly #file: number | null;
	readonly #disk: () => number;
	readonly #observers = new Set<(event: Event) => void>();
	#lines: string[] = [];

	/** @param path of the file they are written to, a line each; null for none */
	constructor(path: string | null, disk: () => number = () => 0) {
		this.#file = path === null ? null : openSync(path, "w");
		this.#disk = disk;
	}

	/** @returns what ends it */
	observe(observer: (event: Event) => void): () => void {
		this.#observers.add(observer);
		return () => this.#observers.delete(observer);
	}

	add(who: string, deed: Deed): Event {
		const at = Math.round(now() * 10) / 10;
		const event: Event = { at, disk: this.#disk(), who, ...deed };
		for (const observer of this.#observers) observer(event);
		if (this.#file !== null) {
			this.#lines.push(JSON.stringify(event));
			if (this.#lines.length >= 1000) this.flush();
		}
		return event;
	}

	flush(): void {
		if (this.#file === null || this.#lines.length === 0) return;
		writeSync(this.#file, `${this.#lines.join("\n")}\n`);
		this.#lines = [];
	}

	close(): void {
		this.flush();
		if (this.#file !== null) closeSync(this.#file);
	}
}

/** Unix time in milliseconds, by a clock that never jumps. */
export function now(): number {
	return performance.timeOrigin + performance.now();
}

export function readEvents(path: string): Event[] {
	const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
	return lines.map((line) => JSON.parse(line) as Event);
}
