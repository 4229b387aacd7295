/**
 * Each look at the retained messages finds, for every topic, the value that was acknowledged
 * last or one that was sent later; nothing that was cleared or has expired.
 */
import type { Event } from "./events.ts";
import { BRIEF_SECONDS, isClearing } from "./payload.ts";
import type { World } from "./world.ts";

const KEPT = "kept/";
const LATE_MS = 3000;

interface Look {
	/** The value that was acknowledged when the reader subscribed, by topic. */
	readonly least: Map<string, number>;
	readonly seen: Set<string>;
}

export class Retained {
	readonly #world: World;
	readonly #looks = new Map<string, Look>();
	looks = 0;

	constructor(world: World) {
		this.#world = world;
	}

	see(event: Event): void {
		const { who } = event;
		switch (event.did) {
			case "subscribe":
				if (event.filter === "kept/#") this.#begin(who);
				break;
			case "got":
				this.#got(event);
				break;
			case "looked":
				this.#end(who);
				break;
			case "gone":
				this.#looks.delete(who);
				break;
			default:
		}
	}

	#begin(who: string): void {
		const least = new Map<string, number>();
		for (const name of this.#world.topics.keys())
			if (name.startsWith(KEPT))
				least.set(name, this.#world.bindingNumber(name));
		this.#looks.set(who, { least, seen: new Set() });
	}

	#got({ who, topic: name, number, at, retain }: Event & { did: "got" }): void {
		const look = this.#looks.get(who);
		if (look === undefined || look.seen.has(name)) return;
		look.seen.add(name);
		const topic = this.#world.topic(name);
		const least = look.least.get(name) ?? 0;
		const what = `${who}: ${name} is ${number || "empty"}`;
		if (number === 0) {
			if (!this.#mayBeCleared(name, least))
				this.#world.violation(`${what}, at least ${least} was acknowledged`);
			return;
		}
		if (number < least || number > topic.sent)
			this.#world.violation(
				`${what}, ${least} was acknowledged and ${topic.sent} sent`,
			);
		const ageMs = at - (topic.sentAt[number] ?? 0);
		if (retain && isBrief(name) && ageMs > BRIEF_SECONDS * 1000 + LATE_MS)
			this.#world.violation(`${what}, which had expired`);
	}

	#end(who: string): void {
		const look = this.#looks.get(who);
		if (look === undefined) return;
		this.#looks.delete(who);
		this.looks++;
		for (const [name, least] of look.least) {
			if (least === 0 || look.seen.has(name) || isBrief(name)) continue;
			if (!this.#mayBeCleared(name, least))
				this.#world.violation(
					`${who}: ${name} has no value, ${least} was acknowledged`,
				);
		}
	}

	#mayBeCleared(name: string, least: number): boolean {
		const { sent } = this.#world.topic(name);
		for (let number = least; number <= sent; number++)
			if (isClearing(name, number)) return true;
		return false;
	}
}

/** Only publishers with MQTT 5 can give a message a time to live. */
function isBrief(name: string): boolean {
	return name.endsWith("/brief") && name.includes("/five");
}
