import type { ApplicationMessage } from "../../src/protocol/messages.ts";
import { CommitTicket } from "../../src/store/commit-ticket.ts";
import type {
	QueueEntry,
	RetainedRecord,
	SavedSession,
	SessionRecord,
	Store,
	SubscriptionRecord,
} from "../../src/store/store.ts";

/** Rows for tests of the store, and ways to read all of it back. */

export function message(
	topic: string,
	payload = "payload",
	rest: Partial<ApplicationMessage> = {},
): ApplicationMessage {
	return {
		topic,
		qos: 1,
		retain: false,
		payload: Buffer.from(payload),
		properties: Buffer.alloc(0),
		expirySeconds: -1,
		...rest,
	};
}

export function entry(rest: Partial<QueueEntry> = {}): QueueEntry {
	return {
		qos: 1,
		retain: false,
		identifiers: [],
		sharedGroup: null,
		phase: 0,
		packetId: 0,
		...rest,
	};
}

export function session(
	key: number,
	rest: Partial<SessionRecord> = {},
): SessionRecord {
	return {
		key,
		clientId: `client-${key}`,
		username: null,
		expirySeconds: 3600,
		disconnectedAtMs: 0,
		will: null,
		...rest,
	};
}

export function subscription(
	filter: string,
	rest: Partial<SubscriptionRecord> = {},
): SubscriptionRecord {
	return {
		filter,
		qos: 1,
		noLocal: false,
		retainAsPublished: false,
		identifier: 0,
		...rest,
	};
}

/** Notes its name when it is settled. */
export class NotingTicket extends CommitTicket {
	readonly done: Promise<void>;
	readonly #name: string;
	readonly #notes: string[];
	#resolve: () => void = () => {};

	constructor(name: string, notes: string[]) {
		super();
		this.#name = name;
		this.#notes = notes;
		this.done = new Promise((resolve) => {
			this.#resolve = resolve;
		});
	}

	protected override onDurable(): void {
		this.#notes.push(this.#name);
		this.#resolve();
	}
}

/** Resolves when all that was written before is committed. */
export function committed(store: Store): Promise<void> {
	const ticket = new NotingTicket("committed", []);
	store.putValue("test", "committed", null, ticket);
	return ticket.done;
}

export async function allSessions(store: Store): Promise<SavedSession[]> {
	const sessions: SavedSession[] = [];
	for (;;) {
		const page = await store.readSessions(sessions.at(-1)?.key ?? 0, 2);
		if (page.length === 0) return sessions;
		sessions.push(...page);
	}
}

export async function allRetained(
	store: Store,
	filter: string,
	pageSize = 2,
): Promise<RetainedRecord[]> {
	const scan = store.scanRetained(filter, null);
	const records: RetainedRecord[] = [];
	for (;;) {
		const page = await scan.next(pageSize, 1_000_000);
		if (page.length === 0) return records;
		records.push(...page);
	}
}

export async function retainedTopics(
	store: Store,
	filter: string,
): Promise<string[]> {
	const records = await allRetained(store, filter);
	return records.map((record) => record.message.topic).sort();
}
