import type { ApplicationMessage } from "../../src/protocol/messages.ts";
import type { LaneRecord } from "../../src/store/lane.ts";
import { messageBytes } from "../../src/store/message-codec.ts";
import type {
	QueuedMessage,
	QueueTotals,
	RetainedRecord,
	SessionRecord,
	SubscriptionRecord,
} from "../../src/store/store.ts";

/** What a late store has "on disk", and how it makes pages of it. */

export interface Queue {
	readonly rows: Map<number, QueuedMessage>;
	lastSequence: number;
}

/** What is "on disk". Rows are never changed, only replaced. */
export class Committed {
	readonly sessions = new Map<number, SessionRecord>();
	readonly subscriptions = new Map<number, Map<string, SubscriptionRecord>>();
	readonly receivedIds = new Map<number, Set<number>>();
	readonly queues = new Map<number, Queue>();
	readonly lanes = new Map<number, LaneRecord>();
	readonly retained = new Map<string, RetainedRecord>();
	readonly values = new Map<string, Buffer>();
}

export function totalsOf({ rows, lastSequence }: Queue): QueueTotals {
	let queuedBytes = 0;
	for (const row of rows.values()) queuedBytes += messageBytes(row.message);
	return { queuedMessages: rows.size, queuedBytes, lastSequence };
}

export function newQueue(): Queue {
	return { rows: new Map(), lastSequence: 0 };
}

export function entryOf<V>(map: Map<number, V>, key: number, make: () => V): V {
	const found = map.get(key) ?? make();
	map.set(key, found);
	return found;
}

export function hasExpired(
	{ expiresAtWallMs }: RetainedRecord,
	now: number,
): boolean {
	return expiresAtWallMs !== 0 && expiresAtWallMs <= now;
}

/** A page: at least one, at most so many, no more bytes than that. */
export function firstOf<R extends { readonly message: ApplicationMessage }>(
	records: readonly R[],
	maxMessages: number,
	maxBytes: number,
): R[] {
	const page: R[] = [];
	let bytes = 0;
	for (const record of records) {
		bytes += messageBytes(record.message);
		if (page.length === maxMessages) break;
		if (page.length > 0 && bytes > maxBytes) break;
		page.push(record);
	}
	return page;
}

export function copyMessage(message: ApplicationMessage): ApplicationMessage {
	const { topic, qos, retain, expirySeconds } = message;
	const payload = Buffer.from(message.payload);
	const properties = Buffer.from(message.properties);
	return { topic, qos, retain, expirySeconds, payload, properties };
}

export function copyOf(state: Committed): Committed {
	const copy = new Committed();
	for (const [key, row] of state.sessions) copy.sessions.set(key, row);
	for (const [key, rows] of state.subscriptions)
		copy.subscriptions.set(key, new Map(rows));
	for (const [key, ids] of state.receivedIds)
		copy.receivedIds.set(key, new Set(ids));
	for (const [key, { rows, lastSequence }] of state.queues)
		copy.queues.set(key, { rows: new Map(rows), lastSequence });
	for (const [key, row] of state.lanes) copy.lanes.set(key, row);
	for (const [topic, row] of state.retained) copy.retained.set(topic, row);
	for (const [name, value] of state.values) copy.values.set(name, value);
	return copy;
}
