/**
 * The second walk through a mosquitto.db: writes what the plan says into a store that is
 * open and empty. A message is read once, in the order of the file, and given to all
 * queues that it waits in at once, so that it is stored once.
 */
import type { QoS } from "../../protocol/constants.ts";
import type { ApplicationMessage } from "../../protocol/messages.ts";
import { checkTopicFilter, isReservedTopic } from "../../protocol/topic.ts";
import { CommitTicket } from "../../store/commit-ticket.ts";
import {
	DeliveryPhase,
	type QueueEntry,
	type Store,
	type SubscriptionRecord,
} from "../../store/store.ts";
import { convertMessage } from "./convert-message.ts";
import type { DatabaseFile } from "./database-file.ts";
import type { SubscriptionChunk } from "./database-records.ts";
import { Recipients } from "./recipients.ts";
import type {
	IncomingMessage,
	PlannedSession,
	Reference,
	StatePlan,
} from "./state-plan.ts";

/** What has been written, and what could not be. */
export interface WrittenState {
	sessions: number;
	subscriptions: number;
	retained: number;
	queued: number;
	/** QoS 2 messages that were passed on now, for mosquitto had not done it. */
	passedOn: number;
	expiredMessages: number;
	/** Messages and subscriptions whose topics no client can have given. */
	unusable: number;
	badProperties: number;
}

/** What may wait for the disk before the next is read. */
const MOST_WAITING_BYTES = 1024 * 1024;
const MOST_WAITING_WRITES = 2000;

export class StateWriter {
	readonly #store: Store;
	readonly #file: DatabaseFile;
	readonly #plan: StatePlan;
	readonly #nowMs: number;
	readonly #trouble: Promise<never>;
	readonly #recipients = new Recipients();
	readonly #written: WrittenState = {
		sessions: 0,
		subscriptions: 0,
		retained: 0,
		queued: 0,
		passedOn: 0,
		expiredMessages: 0,
		unusable: 0,
		badProperties: 0,
	};
	#ticket = new Committed();
	#waitingBytes = 0;
	#waitingWrites = 0;

	/** @param trouble is rejected when the store cannot write: nobody waits for better times */
	constructor(
		store: Store,
		file: DatabaseFile,
		plan: StatePlan,
		nowMs: number,
		trouble: Promise<never>,
	) {
		this.#store = store;
		this.#file = file;
		this.#plan = plan;
		this.#nowMs = nowMs;
		this.#trouble = trouble;
	}

	/** All of it is committed when this resolves. */
	async write(): Promise<WrittenState> {
		for (const session of this.#plan.byKey) await this.#writeSession(session);
		for (const chunk of this.#file.chunks())
			if (chunk.type === "subscription")
				await this.#writeSubscription(chunk.subscription);
		for (const [place, references] of this.#plan.references())
			await this.#writeMessage(place, references);
		for (const incoming of this.#plan.incoming) await this.#passOn(incoming);
		await this.#committed();
		return this.#written;
	}

	async #writeSession(session: PlannedSession): Promise<void> {
		const { key, clientId, expirySeconds } = session;
		const disconnectedAtMs = Math.round(session.disconnectedAtMs);
		this.#store.putSession(
			{
				key,
				clientId,
				username: null,
				expirySeconds,
				disconnectedAtMs,
				will: null,
			},
			this.#ticket,
		);
		this.#written.sessions++;
		await this.#wrote(clientId.length);
	}

	async #writeSubscription(chunk: SubscriptionChunk): Promise<void> {
		const session = this.#plan.session(chunk.clientId);
		if (session === null) return;
		const { filter, noLocal, retainAsPublished, identifier } = chunk;
		if (checkTopicFilter(filter) !== null || filter.includes("\ufffd")) {
			this.#written.unusable++;
			return;
		}
		const record: SubscriptionRecord = {
			filter,
			qos: chunk.qos as QoS,
			noLocal,
			retainAsPublished,
			identifier,
		};
		this.#store.putSubscription(session.key, record, this.#ticket);
		if (this.#plan.incoming.length > 0) this.#recipients.add(session, record);
		this.#written.subscriptions++;
		await this.#wrote(filter.length);
	}

	async #writeMessage(
		place: number,
		references: readonly Reference[],
	): Promise<void> {
		const found = this.#read(place, references.length);
		if (found === null) return;
		const { message, expiresAtMs } = found;
		for (const { key, sequence, ...entry } of references) {
			if (key === 0) this.#retain(message, expiresAtMs);
			else {
				const { identifier } = entry;
				const identifiers = identifier === 0 ? [] : [identifier];
				this.#enqueue(key, sequence, found, { ...entry, identifiers });
			}
			await this.#wrote(0);
		}
		await this.#wrote(message.payload.length + message.properties.length);
	}

	/** As a broker would have done when it came: it is owed from now on, once. */
	async #passOn(incoming: IncomingMessage): Promise<void> {
		const { session, packetId, place } = incoming;
		this.#store.putReceivedId(session.key, packetId, this.#ticket);
		await this.#wrote(0);
		const found = this.#read(place, 1);
		if (found === null) return;
		this.#written.passedOn++;
		const { message, expiresAtMs } = found;
		const { topic, qos, retain, payload } = message;
		for (const to of this.#recipients.of(topic, session.key, qos, retain)) {
			const recipient = this.#plan.byKey[to.key - 1];
			if (recipient === undefined) continue;
			this.#enqueue(to.key, ++recipient.lastSequence, found, {
				...to,
				phase: DeliveryPhase.Queued,
				packetId: 0,
			});
			await this.#wrote(payload.length);
		}
		if (!retain) return;
		if (payload.length > 0) this.#retain(message, expiresAtMs);
		else this.#store.deleteRetained(topic, false, this.#ticket);
		await this.#wrote(payload.length);
	}

	#read(
		place: number,
		references: number,
	): { message: ApplicationMessage; expiresAtMs: number } | null {
		const read = this.#file.message(place);
		const converted =
			read === null ? null : convertMessage(read.head, read.body, this.#nowMs);
		if (converted === null) {
			this.#written.unusable += references;
			return null;
		}
		const { expiresAtMs } = converted;
		if (expiresAtMs > 0 && expiresAtMs <= this.#nowMs) {
			this.#written.expiredMessages += references;
			return null;
		}
		if (converted.hasBadProperties) this.#written.badProperties++;
		return converted;
	}

	#retain(message: ApplicationMessage, expiresAtMs: number): void {
		if (isReservedTopic(message.topic)) return;
		const retained = { ...message, retain: true };
		this.#store.putRetained(retained, expiresAtMs, false, this.#ticket);
		this.#written.retained++;
	}

	#enqueue(
		key: number,
		sequence: number,
		found: { message: ApplicationMessage; expiresAtMs: number },
		entry: Omit<QueueEntry, "sharedGroup">,
	): void {
		const { qos, retain, identifiers, phase, packetId } = entry;
		this.#store.enqueue(
			key,
			sequence,
			found.message,
			{ qos, retain, identifiers, sharedGroup: null, phase, packetId },
			found.expiresAtMs,
			this.#ticket,
		);
		this.#written.queued++;
	}

	async #wrote(bytes: number): Promise<void> {
		this.#waitingBytes += bytes;
		this.#waitingWrites++;
		const isMuch =
			this.#waitingBytes > MOST_WAITING_BYTES ||
			this.#waitingWrites > MOST_WAITING_WRITES;
		if (isMuch) await this.#committed();
	}

	async #committed(): Promise<void> {
		const ticket = this.#ticket;
		this.#ticket = new Committed();
		this.#waitingBytes = 0;
		this.#waitingWrites = 0;
		ticket.settle(); // our own hold
		await Promise.race([ticket.promise, this.#trouble]);
	}
}

class Committed extends CommitTicket {
	readonly promise: Promise<void>;
	#resolve: () => void = () => {};

	constructor() {
		super();
		this.promise = new Promise((resolve) => {
			this.#resolve = resolve;
		});
		this.hold();
	}

	protected override onDurable(): void {
		this.#resolve();
	}
}
