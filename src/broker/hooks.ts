/**
 * Where extensions decide or look on. Each list is null while nobody listens, so an
 * unused hook costs one compare.
 *
 * Deciding hooks are asked in the order in which they were added; the first that does
 * not say `Next` decides.
 */
import type { QoS } from "../protocol/constants.ts";
import type { Publish } from "../protocol/publish.ts";
import type { ReasonCode } from "../protocol/reason-codes.ts";
import type { TransportName } from "../transport/byte-stream.ts";

/** Who a client is; stays the same for the life of its connection. */
export interface ClientInfo {
	readonly clientId: string;
	readonly username: string | null;
	/** `192.168.1.7:50312`, or the listener's name where there is no address. */
	readonly peer: string;
	readonly listener: string;
	readonly transport: TransportName;
	readonly isLoopback: boolean;
	/** `3.1`, `3.1.1`, `5`. */
	readonly protocol: string;
}

export const Decision = { Next: 0, Allow: 1, Deny: 2 } as const;
export type Decision = (typeof Decision)[keyof typeof Decision];

/** The outcome of an authentication that was decided. */
export type AuthVerdict =
	| { readonly allow: true; readonly username?: string }
	| {
			readonly allow: false;
			readonly reason: ReasonCode;
			/** For the log: which rule, and what to change. Never shown to the client. */
			readonly words: string;
	  };

/** Asked at CONNECT; null passes on to the next. May take its time: CONNECT is rare. */
export type AuthenticateHook = (
	client: ClientInfo,
	password: Buffer | null,
) => AuthVerdict | null | Promise<AuthVerdict | null>;

export type AuthorizePublishHook = (
	client: ClientInfo,
	topic: string,
	qos: QoS,
	retain: boolean,
) => Decision;

export type AuthorizeSubscribeHook = (
	client: ClientInfo,
	filter: string,
	qos: QoS,
) => Decision;

/** Sees every message before it is routed; false drops it silently. */
export type PublishHook = (
	publish: Publish,
	client: ClientInfo | null,
) => boolean;

/** One step of an AUTH exchange [MQTT 5, 4.12]. */
export type AuthStep =
	| { readonly step: "continue"; readonly data: Buffer | null }
	| {
			readonly step: "success";
			readonly data: Buffer | null;
			readonly username?: string;
	  }
	| {
			readonly step: "refuse";
			readonly reason: ReasonCode;
			readonly words: string;
	  };

/** The state of one exchange: made for each CONNECT and each re-authentication. */
export interface AuthExchange {
	next(data: Buffer | null): AuthStep | Promise<AuthStep>;
}

/** An authentication method such as SCRAM-SHA-256. */
export interface EnhancedAuthenticator {
	readonly method: string;
	begin(client: ClientInfo): AuthExchange;
}

export class Hooks {
	authenticate: AuthenticateHook[] | null = null;
	authorizePublish: AuthorizePublishHook[] | null = null;
	authorizeSubscribe: AuthorizeSubscribeHook[] | null = null;
	publish: PublishHook[] | null = null;
	readonly authenticators = new Map<string, EnhancedAuthenticator>();

	mayPublish(
		client: ClientInfo,
		topic: string,
		qos: QoS,
		retain: boolean,
	): boolean {
		if (this.authorizePublish === null) return true;
		for (const hook of this.authorizePublish) {
			const decision = hook(client, topic, qos, retain);
			if (decision !== Decision.Next) return decision === Decision.Allow;
		}
		return true;
	}

	maySubscribe(client: ClientInfo, filter: string, qos: QoS): boolean {
		if (this.authorizeSubscribe === null) return true;
		for (const hook of this.authorizeSubscribe) {
			const decision = hook(client, filter, qos);
			if (decision !== Decision.Next) return decision === Decision.Allow;
		}
		return true;
	}
}
