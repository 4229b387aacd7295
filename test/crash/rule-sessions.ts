/**
 * Whether a session has to be present at a CONNACK: what was kept is, what was discarded is
 * not, and what expires does so on time across restarts.
 */
import type { Event } from "./events.ts";
import type { World } from "./world.ts";

interface Session {
	/** As far as the client can know. */
	exists: "yes" | "no" | "maybe";
	/** What its last connection asked for; 0: it ends with the connection. */
	expirySeconds: number;
	/** The CONNECT that waits for its CONNACK. */
	pending: (Event & { did: "connect" }) | null;
	/** When it began to run out, at the latest. */
	goneAt: number;
	/**
	 * And at the earliest: a connection without a CONNACK may never have reached a broker
	 * that was down, and then the session goes on running out.
	 */
	goneSince: number;
	politely: boolean;
}

/** A clean departure is on disk after this, in ms: before, a killed broker counts from its start. */
const SETTLED_MS = 1500;
/**
 * How much earlier and later than asked for, in ms, a session may end: a client on a busy
 * machine sees late that its DISCONNECT was taken.
 */
const EARLY_MS = 500;
const LATE_MS = 3000;

export class Sessions {
	readonly #world: World;
	readonly #sessions = new Map<string, Session>();

	constructor(world: World) {
		this.#world = world;
	}

	see(event: Event): void {
		const session = this.#of(event.who);
		switch (event.did) {
			case "connect":
				session.pending = event;
				break;
			case "connack":
				this.#connack(session, event);
				break;
			case "gone":
				this.#gone(session, event);
				break;
			default:
		}
	}

	#connack(session: Session, { who, present, at }: Event & { did: "connack" }) {
		const { pending } = session;
		if (pending === null) return;
		session.pending = null;
		const expected = pending.clean
			? "no"
			: this.#expected(session, pending, at);
		if (present && expected === "no")
			this.#world.violation(`${who}: a session that had ended is present`);
		if (!present && expected === "yes")
			this.#world.violation(`${who}: its session is gone`);
		session.expirySeconds = pending.expirySeconds;
		// What the disk may lose may be gone next time.
		const isBinding = at < this.#world.lostFromMs;
		session.exists = isBinding || session.exists === "yes" ? "yes" : "maybe";
	}

	#gone(session: Session, { at, politely }: Event & { did: "gone" }): void {
		const { pending } = session;
		session.goneAt = at;
		if (pending === null) session.goneSince = at;
		session.politely = politely;
		session.pending = null;
		if (pending !== null) {
			// Nobody knows how far the CONNECT came.
			if (pending.clean || session.exists === "no") session.exists = "maybe";
		} else if (session.expirySeconds === 0) {
			session.exists = "no";
		}
	}

	#expected(
		{ exists, expirySeconds, goneAt, goneSince, politely }: Session,
		connect: Event,
		connackAt: number,
	): Session["exists"] {
		if (exists !== "yes") return exists;
		const expiryMs = expirySeconds * 1000;
		if (connackAt - goneSince < expiryMs - EARLY_MS) return "yes";
		const world = this.#world;
		const isSettled =
			politely && !world.wasKilledBetween(goneAt, goneAt + SETTLED_MS);
		const start = world.startedAt.find((startAt) => startAt > goneAt);
		const countedFrom = isSettled ? goneAt : (start ?? goneAt);
		return connect.at - countedFrom > expiryMs + LATE_MS ? "no" : "maybe";
	}

	#of(who: string): Session {
		let session = this.#sessions.get(who);
		if (session === undefined) {
			session = {
				exists: "no",
				expirySeconds: 0,
				pending: null,
				goneAt: 0,
				goneSince: 0,
				politely: false,
			};
			this.#sessions.set(who, session);
		}
		return session;
	}
}
