/** What an extension sees of the broker. */
import type { Settings } from "../config/schema.ts";
import type { Clock } from "../platform/clock.ts";
import type { CommandSpec } from "../platform/command.ts";
import type { SchemaFragment } from "../platform/config-field.ts";
import type { Logger } from "../platform/logger.ts";
import type { ApplicationMessage } from "../protocol/messages.ts";
import { Publish } from "../protocol/publish.ts";
import { Delivery } from "../session/delivery.ts";
import { CommitTicket } from "../store/commit-ticket.ts";
import { type AdminRoute, AdminRoutes } from "./admin-routes.ts";
import type { Broker } from "./broker.ts";
import {
	type BrokerStatus,
	type StatusLines,
	type StatusPart,
	statusLines,
	statusOf,
} from "./broker-status.ts";
import type {
	AuthenticateHook,
	AuthorizePublishHook,
	AuthorizeSubscribeHook,
	EnhancedAuthenticator,
	PublishHook,
} from "./hooks.ts";
import { listSessions, type SessionPage } from "./session-list.ts";
import { StateCopy } from "./state-copy.ts";

export {
	AdminDownload,
	AdminRefusal,
	type AdminRequest,
	type AdminRoute,
	type AdminRoutes,
} from "./admin-routes.ts";
export type { BrokerStatus, StatusLines, StatusPart } from "./broker-status.ts";
export type { SessionPage, SessionView } from "./session-list.ts";
export type { StateFile } from "./state-copy.ts";

/** An optional part of the broker: a folder in `extensions/` and a line in its index. */
export interface Extension {
	readonly name: string;
	/** Keys that it adds to the configuration. */
	readonly fragment?: SchemaFragment;
	/** Commands that it adds to the program; they run in a process without a broker. */
	readonly commands?: readonly CommandSpec[];
	/** Called when the store is open and before listeners accept. */
	start(broker: BrokerApi): void | Promise<void>;
	/** Called before connections are closed. Must leave no timer behind. */
	stop(): void | Promise<void>;
}

/** What has become of a reload. */
export interface ReloadReport {
	/** Every mistake, `FILE:LINE: key = value: what is wrong`; nothing has changed when there is one. */
	readonly mistakes: readonly string[];
	/** What is allowed and a person should know, in the same form. */
	readonly notices: readonly string[];
	/** Keys that have a new value now. */
	readonly changed: readonly string[];
	/** Keys whose new value waits for a restart. */
	readonly needsRestart: readonly string[];
	/** Listeners that were opened and closed: `tcp:default`. */
	readonly opened: readonly string[];
	readonly closed: readonly string[];
	/** Why a listener could not be opened. */
	readonly failures: readonly string[];
}

/** What the process around the broker does for it. */
export interface Surroundings {
	/** Reads the configuration again. */
	reload(): Promise<ReloadReport>;
}

export type { WearStatus } from "./wear.ts";

type Removal = () => void;

export class BrokerApi {
	/** What can be asked on the local admin socket. */
	readonly routes = new AdminRoutes();
	/** The database, for backups and checks. */
	readonly stateCopy: StateCopy;
	readonly #broker: Broker;
	readonly #surroundings: Surroundings;
	readonly #parts: StatusPart[] = [];

	constructor(broker: Broker, surroundings: Surroundings) {
		this.#broker = broker;
		this.#surroundings = surroundings;
		this.stateCopy = new StateCopy(broker);
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

	/** The state is in memory only: whoever forwards what is acknowledged must not begin. */
	get isSafeMode(): boolean {
		return this.#broker.safeMode.isOn;
	}

	get status(): BrokerStatus {
		return statusOf(this.#broker);
	}

	/** What extensions add to the status. */
	get statusParts(): readonly StatusPart[] {
		return this.#parts;
	}

	/** The status for a person, with what extensions add. */
	get statusLines(): readonly StatusLines[] {
		const added = this.#parts.flatMap((part) => part.lines());
		return [...statusLines(this.status), ...added];
	}

	/** Adds figures and lines to the status. */
	addStatus(part: StatusPart): Removal {
		this.#parts.push(part);
		return () => {
			this.#parts.splice(this.#parts.indexOf(part), 1);
		};
	}

	/** Adds something that can be asked on the local admin socket. */
	addRoute(route: AdminRoute): Removal {
		return this.routes.add(route);
	}

	/** Reads the configuration again; never throws for mistakes in it. */
	reload(): Promise<ReloadReport> {
		return this.#surroundings.reload();
	}

	/**
	 * A page of the sessions, the one with the most queued bytes first.
	 * @param after `next` of the page before; null for the first
	 */
	listSessions(limit: number, after: string | null): Promise<SessionPage> {
		const { registry } = this.#broker;
		return listSessions(registry.all(), registry.size, limit, after);
	}

	/**
	 * Ends a session as its expiry would: its queue and subscriptions go, its will is
	 * published. A connected client is told and disconnected.
	 * @returns resolves when that is on disk; null when there is no such session
	 */
	removeSession(clientId: string): Promise<void> | null {
		const { registry } = this.#broker;
		const session = registry.get(clientId);
		if (session === undefined) return null;
		return new Promise((resolve) => {
			const ticket = new PromiseTicket(resolve);
			ticket.hold();
			registry.remove(session, ticket);
			ticket.settle();
		});
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

class PromiseTicket extends CommitTicket {
	readonly #resolve: () => void;

	constructor(resolve: () => void) {
		super();
		this.#resolve = resolve;
	}

	protected override onDurable(): void {
		this.#resolve();
	}
}

/** An empty list becomes null again: a hook that nobody uses costs one compare. */
function without<T>(list: T[] | null, item: T): T[] | null {
	const rest = (list ?? []).filter((each) => each !== item);
	return rest.length === 0 ? null : rest;
}
