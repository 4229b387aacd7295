import type { Database } from "better-sqlite3";
import { type Operation, OperationKind } from "./operation.ts";
import type { SavedSession } from "./store.ts";
import { ExtensionValueTable } from "./tables/extension-value.ts";
import { LaneTable } from "./tables/lane.ts";
import { MessageTable } from "./tables/message.ts";
import { MetaTable } from "./tables/meta.ts";
import { QueueTable } from "./tables/queue.ts";
import { QueuePages } from "./tables/queue-pages.ts";
import { NO_TOTAL, QueueTotalTable } from "./tables/queue-total.ts";
import { ReceivedQos2Table } from "./tables/received-qos2.ts";
import { RetainedTable } from "./tables/retained.ts";
import { SessionTable } from "./tables/session.ts";
import { SubscriptionTable } from "./tables/subscription.ts";

/**
 * All tables of an open database, and what each operation does to them. Worker thread
 * only; the caller holds the transaction.
 */
export class Tables {
	readonly queue: QueueTable;
	readonly pages: QueuePages;
	readonly retained: RetainedTable;
	readonly values: ExtensionValueTable;
	readonly #sessions: SessionTable;
	readonly #subscriptions: SubscriptionTable;
	readonly #receivedIds: ReceivedQos2Table;
	readonly #totals: QueueTotalTable;
	readonly #lanes: LaneTable;

	constructor(database: Database) {
		this.#sessions = new SessionTable(database);
		this.#subscriptions = new SubscriptionTable(database);
		this.#receivedIds = new ReceivedQos2Table(database);
		this.#totals = new QueueTotalTable(database);
		const messages = new MessageTable(database);
		this.#lanes = new LaneTable(database);
		this.queue = new QueueTable(database, messages, this.#totals, this.#lanes);
		this.pages = new QueuePages(database, messages);
		this.retained = new RetainedTable(database, new MetaTable(database));
		this.values = new ExtensionValueTable(database);
	}

	/** Before the first operation of a batch. */
	begin(): void {
		this.queue.begin();
		this.retained.begin();
	}

	/** After the last one: what is summed up over a batch. */
	finish(): void {
		this.queue.finish();
		this.retained.finish();
	}

	/** The batch was not committed. */
	rolledBack(): void {
		this.retained.rolledBack();
		this.#lanes.rolledBack();
	}

	apply(operation: Operation): void {
		const { kind, key, sequence, number } = operation;
		switch (kind) {
			case OperationKind.PutSession:
				if (operation.session !== null) this.#sessions.put(operation.session);
				break;
			case OperationKind.DeleteSession:
				this.#deleteSession(key);
				break;
			case OperationKind.PutSubscription:
				this.#subscriptions.put(
					key,
					operation.text ?? "",
					operation.flags,
					number,
				);
				break;
			case OperationKind.DeleteSubscription:
				this.#subscriptions.delete(key, operation.text ?? "");
				break;
			case OperationKind.PutReceivedId:
				this.#receivedIds.put(key, number);
				break;
			case OperationKind.DeleteReceivedId:
				this.#receivedIds.delete(key, number);
				break;
			case OperationKind.Enqueue:
			case OperationKind.Replace:
				this.queue.enqueue(operation);
				break;
			case OperationKind.MarkSent:
				this.queue.markSent(key, sequence, number);
				break;
			case OperationKind.MarkReleased:
				this.queue.markReleased(key, sequence);
				break;
			case OperationKind.Dequeue:
				this.queue.remove(key, sequence, sequence + number);
				break;
			case OperationKind.PutLane:
				this.#lanes.put(key, number, operation.text ?? "", operation.flags);
				break;
			case OperationKind.DeleteLane:
				this.#deleteLane(key);
				break;
			default:
				this.#applyToTopicOrValue(operation);
		}
	}

	/** One ordered scan of each table: a query for each session costs ten times as much. */
	readSessions(after: number, limit: number): SavedSession[] {
		const sessions = this.#sessions.page(after, limit);
		const last = sessions.at(-1)?.key ?? after;
		const totals = this.#totals.ofQueues(after + 1, last);
		const subscriptions = this.#subscriptions.ofSessions(after + 1, last);
		const receivedIds = this.#receivedIds.ofSessions(after + 1, last);
		const lanes = this.#lanes.ofSessions(after + 1, last);
		return sessions.map((session) => ({
			...session,
			...(totals.get(session.key) ?? NO_TOTAL),
			subscriptions: subscriptions.get(session.key) ?? [],
			receivedIds: receivedIds.get(session.key) ?? [],
			lanes: (lanes.get(session.key) ?? []).map((lane) => ({
				...lane,
				...this.#totals.of(lane.key),
			})),
		}));
	}

	#applyToTopicOrValue(operation: Operation): void {
		const text = operation.text ?? "";
		switch (operation.kind) {
			case OperationKind.PutRetained:
				if (operation.message !== null)
					this.retained.put(operation.message, operation.expiresAtWallMs);
				break;
			case OperationKind.DeleteRetained:
				this.retained.delete(text);
				break;
			case OperationKind.PutValue:
				this.values.put(text, operation.name, operation.value);
				break;
		}
	}

	#deleteLane(key: number): void {
		this.queue.clear(key);
		this.#lanes.delete(key);
	}

	#deleteSession(key: number): void {
		for (const lane of this.#lanes.queuesOf(key)) this.#deleteLane(lane);
		this.#sessions.delete(key);
		this.#subscriptions.deleteSession(key);
		this.#receivedIds.deleteSession(key);
		this.queue.clear(key);
	}
}
