/**
 * The broker apart from sockets and files: everything that connections and extensions
 * share, made once by the composition root. Lives on the main thread.
 */
import type { Settings } from "../config/schema.ts";
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { Clock } from "../platform/clock.ts";
import * as collector from "../platform/collector.ts";
import { type Logger, RateLimit } from "../platform/logger.ts";
import { machineMemory, residentBytes } from "../platform/machine-memory.ts";
import { TimerWheel } from "../platform/timer-wheel.ts";
import type { WillMessage } from "../protocol/messages.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import { firstPacketId, type InflightEntry } from "../session/inflight.ts";
import type { Session } from "../session/session.ts";
import {
	type HeadLimits,
	ROOMY_HEAD,
	SCANTY_HEAD,
	type SessionContext,
} from "../session/session-context.ts";
import { SessionCounters } from "../session/session-counters.ts";
import {
	type SessionObserver,
	SessionRegistry,
} from "../session/session-registry.ts";
import type { Store, SubscriptionRecord } from "../store/store.ts";
import type { Listener } from "../transport/byte-stream.ts";
import { FlushLoop } from "../transport/flush-loop.ts";
import { Budgets } from "./budgets.ts";
import { type DegradedConnection, DegradedMode } from "./degraded-mode.ts";
import { type ClientInfo, Hooks } from "./hooks.ts";
import { memoryBudget, memoryLimit } from "./memory-plan.ts";
import { Overload, Stage } from "./overload.ts";
import { closeLargestPartial } from "./partial-packets.ts";
import { PublisherPace } from "./publisher-pace.ts";
import type { RamState } from "./ram-state.ts";
import { Router } from "./router.ts";
import { SafeMode } from "./safe-mode.ts";
import { handOverStored, sharedFilters } from "./shared-handover.ts";
import { Statistics } from "./statistics.ts";
import { Wear } from "./wear.ts";

/** One log line per client and thing in this time. */
const LOG_INTERVAL_MS = 10_000;
const SESSIONS_PER_PAGE = 500;

/** What the broker knows of a network connection. */
export interface OpenConnection extends DegradedConnection {
	readonly client: ClientInfo | null;
	/** The listener it came through: `tcp:default`. */
	readonly listener: string;
	/** Bytes of a packet that has not arrived completely. */
	readonly partialBytes: number;
	/** Memory is short: what is on disk too leaves memory. */
	spill(): void;
	/** Tells the client why, where its protocol can, and closes. */
	terminate(reason: ReasonCode, words: string): void;
}

export interface BrokerOptions {
	readonly settings: Settings;
	readonly clock: Clock;
	readonly log: Logger;
	readonly store: Store;
	/** Sessions that stay in memory without a client; others sleep. */
	readonly awayInMemory?: number;
	readonly safeMode?: SafeMode;
	/** With `state = ram+checkpoint`. */
	readonly ramState?: RamState | null;
}

export class Broker implements SessionObserver {
	readonly settings: Settings;
	readonly clock: Clock;
	readonly log: Logger;
	readonly store: Store;
	readonly wheel: TimerWheel;
	readonly logLimit: RateLimit;
	readonly hooks = new Hooks();
	readonly router: Router;
	readonly registry: SessionRegistry;
	readonly flushLoop = new FlushLoop();
	readonly statistics = new Statistics();
	readonly counters = new SessionCounters();
	readonly connections = new Set<OpenConnection>();
	/** Those that are open, by name. */
	readonly listeners = new Map<string, Listener>();
	/** Everything charged for clients and traffic. */
	readonly budgets: Budgets;
	readonly overload: Overload;
	readonly pace: PublisherPace;
	readonly safeMode: SafeMode;
	/** Null unless the database lies in memory and is saved now and then; not used in safe mode. */
	readonly ramState: RamState | null;
	/** What is written to the disk. */
	readonly wear: Wear;
	/** What is done while the database cannot be written. */
	readonly degraded: DegradedMode;
	readonly startedAtMs: number;
	readonly #context: SessionContext;
	readonly #head: HeadLimits = { ...ROOMY_HEAD };
	#baseBytes = 0;
	#lastConnectOrder = 0;

	constructor(options: BrokerOptions) {
		this.settings = options.settings;
		this.clock = options.clock;
		this.log = options.log;
		this.store = options.store;
		this.startedAtMs = options.clock.monotonicMs();
		this.wheel = new TimerWheel(options.clock);
		this.logLimit = new RateLimit(options.clock, LOG_INTERVAL_MS);
		this.budgets = new Budgets(options.settings);
		this.safeMode = options.safeMode ?? new SafeMode();
		this.ramState = options.ramState ?? null;
		this.pace = new PublisherPace(options.clock);
		const { clock, log } = this;
		this.wear = new Wear({ clock, log, counters: this.store.counters });
		this.#context = {
			settings: this.settings,
			clock: this.clock,
			wheel: this.wheel,
			store: this.store,
			log: this.log,
			logLimit: this.logLimit,
			messageBudget: this.budgets.messages,
			sessionBudget: this.budgets.sessions,
			willBudget: this.budgets.wills,
			retainedBudget: this.budgets.retainedPages,
			head: this.#head,
			counters: this.counters,
			firstPacketId: firstPacketId(this.settings.durability),
		};
		const { subscriptions } = this.budgets;
		this.router = new Router(this.#context, this.hooks, subscriptions);
		this.registry = new SessionRegistry(
			this.#context,
			this,
			options.awayInMemory,
		);
		this.router.sleepers = this.registry;
		this.degraded = new DegradedMode({
			clock: this.clock,
			wheel: this.wheel,
			log: this.log,
			store: this.store,
			waitMs: () => this.settings["store.degraded_wait"],
			connections: this.connections,
		});
		this.overload = new Overload({
			clock: this.clock,
			wheel: this.wheel,
			log: this.log,
			logLimit: this.logLimit,
			memory: this.budgets.memory,
			holders: this.budgets.all,
			refresh: () => this.#refreshBudgets(),
			residentBytes,
			preferMemory: collector.preferMemory,
			trimMemory: collector.trimMemory,
			returnFreeMemory: (isFirst) => {
				if (isFirst) this.store.collectGarbage();
				collector.returnFreeMemory(isFirst);
			},
			onStage: (stage) => this.#onStage(stage),
			relieve: (stage) => this.#relieve(stage),
		});
	}

	get context(): SessionContext {
		return this.#context;
	}

	/** The process holds nothing for clients yet: from now on memory is watched. */
	watchMemory(): void {
		this.#baseBytes = residentBytes();
		this.limitMemory();
	}

	/** `memory_limit` may have changed. */
	limitMemory(): void {
		const limit = memoryLimit(this.settings.memory_limit, machineMemory());
		this.overload.watch(limit, memoryBudget(limit, this.#baseBytes));
	}

	/** In windows and heads of queues. */
	get messages(): ByteBudget {
		return this.budgets.messages;
	}

	get outboxes(): ByteBudget {
		return this.budgets.outboxes;
	}

	/** Bytes received from peers that have not authenticated yet. */
	get unauthenticated(): ByteBudget {
		return this.budgets.unauthenticated;
	}

	/** Rises with each CONNECT, so that of two with one client id the later one wins. */
	nextConnectOrder(): number {
		return ++this.#lastConnectOrder;
	}

	/** Brings back all sessions and their subscriptions from the open store. */
	async restore(): Promise<void> {
		let after = 0;
		for (;;) {
			const page = await this.store.readSessions(after, SESSIONS_PER_PAGE);
			for (const saved of page) {
				after = saved.key;
				this.registry.restore(saved);
			}
			if (page.length === 0) break;
		}
		this.registry.endRestore();
	}

	/** Ends the connections of a listener that is no more. */
	closeListener(name: string): void {
		for (const connection of [...this.connections]) {
			if (connection.listener !== name) continue;
			connection.terminate(
				ReasonCode.AdministrativeAction,
				"its listener was removed or changed",
			);
		}
	}

	/** Ends all connections and writes what sessions hold in memory; the store stays open. */
	shutDown(reason: ReasonCode): void {
		this.registry.detachAll();
		for (const connection of [...this.connections]) {
			connection.terminate(reason, "the broker is shutting down");
		}
		this.overload.stop();
		this.wear.stop();
		this.wheel.stop();
	}

	onSessionEnded(session: Session): Promise<void> | null {
		const filters = sharedFilters(session);
		this.router.subscriptions.removeAll(session);
		if (!session.isPersistent || filters.length === 0) return null;
		return handOverStored(this.#context, this.router, session, filters);
	}

	onSleep(session: Session, sleeper: number): number {
		return this.router.subscriptions.sleep(session, sleeper);
	}

	onWake(session: Session, first: number): void {
		this.router.subscriptions.wake(session, first);
	}

	onRestored(
		session: Session,
		subscriptions: readonly SubscriptionRecord[],
	): void {
		for (const record of subscriptions) {
			this.router.subscriptions.add(session, record.filter, record);
		}
	}

	onRestoredAsleep(
		sleeper: number,
		subscriptions: readonly SubscriptionRecord[],
	): number {
		return this.router.subscriptions.restoreAsleep(sleeper, subscriptions);
	}

	onDetached(session: Session, entries: readonly InflightEntry[]): void {
		this.router.handOver(session, entries);
		const isStored = session.isPersistent && session.queuedMessages > 0;
		if (!isStored || session.expirySeconds === 0) return;
		const filters = sharedFilters(session);
		void handOverStored(this.#context, this.router, session, filters);
	}

	publishWill(session: Session, will: WillMessage): void {
		const client: ClientInfo = {
			clientId: session.clientId,
			username: session.username,
			peer: "will",
			listener: "",
			transport: "local",
			isLoopback: false,
			protocol: "",
		};
		const { topic, qos, retain } = will;
		if (!this.hooks.mayPublish(client, topic, qos, retain)) {
			const suppressed = this.logLimit.check(`will ${session.clientId}`);
			if (suppressed < 0) return;
			this.log.access.warning("will not published: not authorised any more", {
				client: session.clientId,
				topic,
				suppressed,
			});
			return;
		}
		this.router.publishWill(session, will);
	}

	get isInMemory(): boolean {
		return !this.settings.persistence || this.safeMode.isOn;
	}

	#refreshBudgets(): void {
		const databaseBytes = this.isInMemory
			? this.counters.queuedBytes + this.store.counters.retainedBytes
			: (this.ramState?.bytes ?? 0);
		const { routeBytes } = this.router.subscriptions;
		this.budgets.refresh(databaseBytes, this.store, routeBytes);
	}

	#onStage(stage: Stage): void {
		Object.assign(this.#head, stage >= Stage.Spill ? SCANTY_HEAD : ROOMY_HEAD);
	}

	#relieve(stage: Stage): void {
		for (const connection of this.connections) connection.spill();
		if (stage < Stage.Refuse) return;
		const { partialFrames, memory } = this.budgets;
		if (partialFrames.used > memory.limit / 4)
			closeLargestPartial(this.connections);
	}
}
