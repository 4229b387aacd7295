/**
 * Who holds how much memory for clients and traffic: one budget for each kind of
 * thing, all below one root. Most are charged where the thing is made; three are
 * counted elsewhere and brought up to date by {@link Budgets.refresh}.
 */
import type { Settings } from "../config/schema.ts";
import { ByteBudget } from "../platform/byte-budget.ts";
import type { Store } from "../store/store.ts";

/** A connection without traffic: socket, streams, timers, splitter (test/bench/memory.ts). */
export const CONNECTION_BYTES = 12 * 1024;
/** An operation on its way to the disk takes more than the bytes in it. */
const OPERATION_SHARE = 2;

export class Budgets {
	/** The root. */
	readonly memory = new ByteBudget(
		"memory",
		Number.POSITIVE_INFINITY,
		"memory_limit",
	);
	/** Bytes received from peers that have not authenticated yet. */
	readonly unauthenticated: ByteBudget;
	/** Parts of packets that have not arrived completely. */
	readonly partialFrames = this.#make("partial packets", "max_packet_size");
	readonly outboxes = this.#make("outboxes", "outbox_high_water");
	/** In windows and heads of queues. */
	readonly messages = this.#make("messages", "max_inflight_messages");
	readonly connections = this.#make("connections", "max_connections");
	/** With the QoS 2 ids they have received. */
	readonly sessions = this.#make("sessions", "max_sessions");
	readonly wills = this.#make("wills", "max_connect_size");
	readonly subscriptions = this.#make("subscriptions", "max_subscriptions");
	/** Retained messages read for new subscriptions. */
	readonly retainedPages = this.#make(
		"retained messages being sent",
		"max_retained_bytes",
	);
	readonly #routes = this.#make("routes", "max_subscriptions");
	readonly #commits = this.#make("writes to the disk", "max_message_rate");
	readonly #database = this.#make("database in memory", "store.max_bytes");

	constructor(settings: Settings) {
		this.unauthenticated = this.#make(
			"unauthenticated connections",
			"unauthenticated_bytes",
		);
		this.unauthenticated.limit = settings.unauthenticated_bytes;
	}

	/** Nothing is left here when all clients and their sessions are gone. */
	get ofClients(): readonly ByteBudget[] {
		return [
			this.unauthenticated,
			this.partialFrames,
			this.outboxes,
			this.messages,
			this.connections,
			this.sessions,
			this.wills,
			this.subscriptions,
			this.retainedPages,
		];
	}

	get all(): readonly ByteBudget[] {
		return [...this.ofClients, this.#routes, this.#commits, this.#database];
	}

	/**
	 * @param databaseBytes what of the database is in memory
	 * @param routeBytes what the cache of routes holds
	 */
	refresh(databaseBytes: number, store: Store, routeBytes: number): void {
		const { pendingBytes } = store.counters;
		this.#routes.setTo(routeBytes);
		this.#commits.setTo(OPERATION_SHARE * pendingBytes);
		this.#database.setTo(databaseBytes);
	}

	#make(name: string, key: string): ByteBudget {
		return new ByteBudget(name, Number.POSITIVE_INFINITY, key, this.memory);
	}
}
