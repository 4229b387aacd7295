/** What an extension sees of the broker. */
import type { Settings } from "../config/schema.ts";
import type { ByteBudget } from "../platform/byte-budget.ts";
import type { Clock } from "../platform/clock.ts";
import type { SchemaFragment } from "../platform/config-field.ts";
import type { Logger } from "../platform/logger.ts";
import type { ApplicationMessage } from "../protocol/messages.ts";
import { Publish } from "../protocol/publish.ts";
import { Delivery } from "../session/delivery.ts";
import type { SessionCounters } from "../session/session-counters.ts";
import type { StoreCounters } from "../store/store.ts";
import type { Broker } from "./broker.ts";
import type { DegradedStatus } from "./degraded-mode.ts";
import type {
	AuthenticateHook,
	AuthorizePublishHook,
	AuthorizeSubscribeHook,
	EnhancedAuthenticator,
	PublishHook,
} from "./hooks.ts";
import type { MemoryStatus } from "./overload.ts";
import type { Statistics } from "./statistics.ts";
import type { WearStatus } from "./wear.ts";

/** An optional part of the broker: a folder in `extensions/` and a line in its index. */
export interface Extension {
	readonly name: string;
	/** Keys that it adds to the configuration. */
	readonly fragment?: SchemaFragment;
	/** Called when the store is open and before listeners accept. */
	start(broker: BrokerApi): void | Promise<void>;
	/** Called before connections are closed. Must leave no timer behind. */
	stop(): void | Promise<void>;
}

/** A snapshot of how the broker is doing. */
export interface BrokerStatus {
	readonly statistics: Readonly<Statistics>;
	readonly counters: Readonly<SessionCounters>;
	readonly store: Readonly<StoreCounters>;
	/** Whether the database can be written, and what is done while it cannot. */
	readonly degraded: DegradedStatus;
	readonly budgets: readonly ByteBudget[];
	/** How much memory is charged, to whom, and what is done about it. */
	readonly memory: MemoryStatus;
	/** What is written to the disk, at what pace, and for what. */
	readonly wear: WearStatus;
	readonly connections: number;
	readonly sessions: number;
	readonly subscriptions: number;
	readonly sharedSubscriptions: number;
	/** Seconds since the start. */
	readonly uptimeSeconds: number;
}

export type { WearStatus } from "./wear.ts";

type Removal = () => void;

export class BrokerApi {
	readonly #broker: Broker;

	constructor(broker: Broker) {
		this.#broker = broker;
	}

	/** The one settings object; changes in place on a reload. */
	get settings(): Settings {
		return this.#broker.settings;
	}

	get clock(): Clock {
		return this.#broker.clock;
	}

	get log(): Logger {
		return this.#broker.log;
	}

	get status(): BrokerStatus {
		const broker = this.#broker;
		return {
			statistics: broker.statistics,
			counters: broker.counters,
			store: broker.store.counters,
			degraded: broker.degraded.status,
			memory: broker.overload.status,
			wear: broker.wear.status,
			budgets: broker.budgets.all,
			connections: broker.connections.size,
			sessions: broker.registry.size,
			subscriptions: broker.router.subscriptions.size,
			sharedSubscriptions: broker.router.subscriptions.sharedGroups,
			uptimeSeconds: Math.floor(
				(broker.clock.monotonicMs() - broker.startedAtMs) / 1000,
			),
		};
	}

	/**
	 * Publishes a message of the broker's own; no authorisation is asked.
	 * @throws ProtocolError when topic or properties are not valid
	 */
	publish(message: ApplicationMessage): void {
		const publish = Publish.fromMessage(message);
		const delivery = new Delivery(publish, null, null, this.#broker.context);
		this.#broker.router.publish(delivery, null);
	}

	onAuthenticate(hook: AuthenticateHook): Removal {
		const { hooks } = this.#broker;
		hooks.authenticate = [...(hooks.authenticate ?? []), hook];
		return () => {
			hooks.authenticate = without(hooks.authenticate, hook);
		};
	}

	onAuthorizePublish(hook: AuthorizePublishHook): Removal {
		const { hooks } = this.#broker;
		hooks.authorizePublish = [...(hooks.authorizePublish ?? []), hook];
		return () => {
			hooks.authorizePublish = without(hooks.authorizePublish, hook);
		};
	}

	onAuthorizeSubscribe(hook: AuthorizeSubscribeHook): Removal {
		const { hooks } = this.#broker;
		hooks.authorizeSubscribe = [...(hooks.authorizeSubscribe ?? []), hook];
		return () => {
			hooks.authorizeSubscribe = without(hooks.authorizeSubscribe, hook);
		};
	}

	onPublish(hook: PublishHook): Removal {
		const { hooks } = this.#broker;
		hooks.publish = [...(hooks.publish ?? []), hook];
		return () => {
			hooks.publish = without(hooks.publish, hook);
		};
	}

	/** Offers an authentication method for MQTT 5's AUTH. */
	addAuthenticator(authenticator: EnhancedAuthenticator): Removal {
		const { authenticators } = this.#broker.hooks;
		authenticators.set(authenticator.method, authenticator);
		return () => authenticators.delete(authenticator.method);
	}
}

/** An empty list becomes null again: a hook that nobody uses costs one compare. */
function without<T>(list: T[] | null, item: T): T[] | null {
	const rest = (list ?? []).filter((each) => each !== item);
	return rest.length === 0 ? null : rest;
}
