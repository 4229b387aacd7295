/**
 * The first walk through a mosquitto.db: which sessions there are, and what waits for
 * whom. Keeps numbers of each message, never its contents.
 */
import { IntRows } from "../../platform/int-rows.ts";
import { SESSION_NEVER_EXPIRES } from "../../protocol/constants.ts";
import { DeliveryPhase } from "../../store/store.ts";
import type { DatabaseFile } from "./database-file.ts";
import {
	type ClientChunk,
	MessageState,
	type QueuedChunk,
} from "./database-records.ts";
import { MessageIndex } from "./message-index.ts";

export interface PlanOptions {
	/** Wall time, ms. */
	readonly nowMs: number;
	/** When mosquitto saved the file: no client was connected after that. Wall time, ms. */
	readonly savedAtMs: number;
	/** `persistent_client_expiration` here, in seconds; Infinity for no limit. */
	readonly longestExpirySeconds: number;
	/** The same in mosquitto. */
	readonly mosquittoExpirySeconds: number;
	/** Sessions of mosquitto's own bridges, which nobody would ever collect. */
	isBridge(clientId: string): boolean;
}

export interface PlannedSession {
	readonly key: number;
	readonly clientId: string;
	expirySeconds: number;
	disconnectedAtMs: number;
	lastSequence: number;
}

/** A QoS 2 message that a client has published and not released. */
export interface IncomingMessage {
	readonly session: PlannedSession;
	readonly packetId: number;
	/** Where its message is in the file. */
	readonly place: number;
}

/** What a reference holds; a message that is retained has no session. */
export interface Reference {
	/** 0: the message is retained. */
	readonly key: number;
	readonly sequence: number;
	readonly packetId: number;
	readonly qos: 0 | 1 | 2;
	readonly retain: boolean;
	readonly phase: DeliveryPhase;
	readonly identifier: number;
}

/** What was left behind, and why. */
export interface LeftOut {
	expiredSessions: number;
	bridgeSessions: number;
	/** Of sessions that were left out. */
	messagesOfThose: number;
	/** The file refers to messages that it does not hold: they had expired, or are damaged. */
	missingMessages: number;
}

const KEY = 0;
const SEQUENCE = 1;
const BITS = 2;
const IDENTIFIER = 3;
const PLACE = 4; // and 5: a double
const STRIDE = 6;
const PACKET_ID_SHIFT = 8;

export class StatePlan {
	/** null: left out, with all that belongs to it. */
	readonly sessions = new Map<string, PlannedSession | null>();
	/** The same without those that are left out; the first has key 1. */
	readonly byKey: PlannedSession[] = [];
	readonly incoming: IncomingMessage[] = [];
	readonly leftOut: LeftOut = {
		expiredSessions: 0,
		bridgeSessions: 0,
		messagesOfThose: 0,
		missingMessages: 0,
	};
	queued = 0;
	/** Of these: sent, and not acknowledged. */
	sent = 0;
	retained = 0;
	subscriptions = 0;
	readonly #messages = new MessageIndex();
	readonly #references = new IntRows(STRIDE);
	/** Packet ids in use towards clients: key of the session << 16 | packet id. */
	readonly #packetIds = new Set<number>();
	readonly #options: PlanOptions;
	#lastKey = 0;

	constructor(file: DatabaseFile, options: PlanOptions) {
		this.#options = options;
		for (const chunk of file.chunks()) {
			switch (chunk.type) {
				case "message":
					this.#messages.add(chunk.head.id, chunk.at);
					break;
				case "client":
					this.#addClient(chunk.client);
					break;
				case "queued":
					this.#addQueued(chunk.queued);
					break;
				case "subscription":
					if (this.session(chunk.subscription.clientId) !== null)
						this.subscriptions++;
					break;
				case "retained":
					this.#addRetained(chunk.id);
					break;
			}
		}
	}

	/** Of a client that the file says nothing else about, too: that part is lost then. */
	session(clientId: string): PlannedSession | null {
		const known = this.sessions.get(clientId);
		return known === undefined ? this.#addSession(clientId) : known;
	}

	/** In the order in which their messages lie in the file, by place. */
	*references(): Generator<[place: number, references: Reference[]]> {
		const rows = this.#references;
		const order = Uint32Array.from({ length: rows.size }, (_, at) => at + 1);
		const placeOf = (row: number) => rows.getDouble(row, PLACE);
		order.sort((a, b) => placeOf(a) - placeOf(b) || a - b);
		let together: Reference[] = [];
		for (const [at, row] of order.entries()) {
			together.push(this.#reference(row));
			const next = order[at + 1];
			if (next !== undefined && placeOf(next) === placeOf(row)) continue;
			yield [placeOf(row), together];
			together = [];
		}
	}

	#reference(row: number): Reference {
		const rows = this.#references;
		const bits = rows.get(row, BITS);
		return {
			key: rows.get(row, KEY),
			sequence: rows.get(row, SEQUENCE),
			packetId: bits >> PACKET_ID_SHIFT,
			qos: (bits & 3) as 0 | 1 | 2,
			retain: (bits & 4) !== 0,
			phase: ((bits >> 3) & 3) as DeliveryPhase,
			identifier: rows.get(row, IDENTIFIER),
		};
	}

	#addClient(client: ClientChunk): void {
		const { clientId, expirySeconds } = client;
		const known = this.sessions.get(clientId);
		if (known === null) return;
		// What belongs to a session comes behind it, unless the file is damaged.
		const isNew = known === undefined;
		if (isNew && this.#options.isBridge(clientId)) {
			this.sessions.set(clientId, null);
			this.leftOut.bridgeSessions++;
			return;
		}
		const disconnectedAtMs = this.#disconnectedAtMs(client);
		const asked = endless(expirySeconds)
			? this.#options.mosquittoExpirySeconds
			: expirySeconds;
		const seconds = Math.min(asked, this.#options.longestExpirySeconds);
		if (isNew && disconnectedAtMs + seconds * 1000 <= this.#options.nowMs) {
			this.sessions.set(clientId, null);
			this.leftOut.expiredSessions++;
			return;
		}
		const session = known ?? this.#addSession(clientId);
		session.disconnectedAtMs = disconnectedAtMs;
		session.expirySeconds = Number.isFinite(seconds)
			? seconds
			: SESSION_NEVER_EXPIRES;
	}

	/** As far as the file tells: mosquitto does not note it for sessions without an end. */
	#disconnectedAtMs(client: ClientChunk): number {
		const { savedAtMs, nowMs, mosquittoExpirySeconds } = this.#options;
		const latestMs = Math.min(savedAtMs, nowMs);
		const { expirySeconds, expiresAtSeconds } = client;
		const hasLimit =
			endless(expirySeconds) &&
			expiresAtSeconds > 0 &&
			Number.isFinite(mosquittoExpirySeconds);
		const noted = hasLimit
			? expiresAtSeconds - mosquittoExpirySeconds
			: client.disconnectedAtSeconds;
		const notedMs = noted * 1000;
		return notedMs > 0 && notedMs < latestMs ? notedMs : latestMs;
	}

	#addSession(clientId: string): PlannedSession {
		const { longestExpirySeconds, savedAtMs, nowMs } = this.#options;
		const session: PlannedSession = {
			key: ++this.#lastKey,
			clientId,
			expirySeconds: Number.isFinite(longestExpirySeconds)
				? longestExpirySeconds
				: SESSION_NEVER_EXPIRES,
			disconnectedAtMs: Math.min(savedAtMs, nowMs),
			lastSequence: 0,
		};
		this.sessions.set(clientId, session);
		this.byKey.push(session);
		return session;
	}

	#addRetained(id: bigint): void {
		const place = this.#messages.find(id);
		if (place === -1) {
			this.leftOut.missingMessages++;
			return;
		}
		this.retained++;
		const row = this.#references.allocate();
		this.#references.setDouble(row, PLACE, place);
	}

	#addQueued(queued: QueuedChunk): void {
		const session = this.session(queued.clientId);
		if (session === null) {
			this.leftOut.messagesOfThose++;
			return;
		}
		const place = this.#messages.find(queued.id);
		if (place === -1) {
			this.leftOut.missingMessages++;
			return;
		}
		const { packetId } = queued;
		if (queued.isIncoming) {
			// With PUBREL mosquitto has passed it on, only PUBCOMP may be on its way.
			if (queued.qos < 2 || queued.state === MessageState.ResendPubcomp) return;
			if (packetId > 0) this.incoming.push({ session, packetId, place });
			return;
		}
		this.#addOutgoing(session, queued, place);
	}

	#addOutgoing(
		session: PlannedSession,
		{ packetId, qos, retain, state, identifier }: QueuedChunk,
		place: number,
	): void {
		let phase: DeliveryPhase = DeliveryPhase.Queued;
		const usedId = session.key * 65_536 + packetId;
		const isFree = !this.#packetIds.has(usedId);
		// A message that has a packet id may have been sent with it, whatever its state.
		if (qos > 0 && packetId > 0 && state !== MessageState.Queued && isFree) {
			this.#packetIds.add(usedId);
			const isReleased =
				qos === 2 &&
				(state === MessageState.ResendPubrel ||
					state === MessageState.WaitForPubcomp);
			phase = isReleased ? DeliveryPhase.Released : DeliveryPhase.Sent;
			this.sent++;
		}
		this.queued++;
		const rows = this.#references;
		const row = rows.allocate();
		const sentId = phase === DeliveryPhase.Queued ? 0 : packetId;
		rows.set(row, KEY, session.key);
		rows.set(row, SEQUENCE, ++session.lastSequence);
		const retainBit = retain ? 4 : 0;
		const bits = (sentId << PACKET_ID_SHIFT) | (phase << 3) | retainBit | qos;
		rows.set(row, BITS, bits);
		rows.set(row, IDENTIFIER, identifier);
		rows.setDouble(row, PLACE, place);
	}
}

/** Of clients before MQTT 5 as well. */
function endless(
	expirySeconds: number | null,
): expirySeconds is null | typeof SESSION_NEVER_EXPIRES {
	return expirySeconds === null || expirySeconds === SESSION_NEVER_EXPIRES;
}
