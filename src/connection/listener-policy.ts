import type { Settings } from "../config/schema.ts";

/** What a listener decides about its clients; read for each connection, so it may change live. */
export interface ListenerPolicy {
	/** `tcp:default` */
	readonly name: string;
	/** 3 is MQTT 3.1, 4 is 3.1.1. */
	readonly allowedProtocolVersions: readonly number[];
	readonly allowAnonymous: Settings["allow_anonymous"];
}
