import { heapCeilingMegabytes } from "../platform/heap-ceiling.ts";
import { findSqliteAddon } from "./sqlite-addon.ts";
import type { StoreOptions } from "./store-options.ts";
import type { AnyRequest } from "./worker-link.ts";

/** What the worker is asked for at the start. Main thread only. */

/** How long after the start the ballast is made: then the start is over, whatever the card. */
const BALLAST_DELAY_MS = 10_000;

/** @param path of the database, or `:memory:` when the one of the options cannot be used */
export function openRequest(
	options: StoreOptions,
	path: string,
	maxBytes: number,
): AnyRequest {
	return {
		type: "open",
		path,
		checkpoint: path === options.path ? (options.checkpoint ?? null) : null,
		nativeBinding: options.nativeBinding ?? findSqliteAddon(),
		maxBytes,
		wallMs: options.clock.wallMs(),
		syncIntervalMs: options.syncIntervalMs ?? null,
		ballastBytes: options.ballastBytes ?? 0,
		ballastDelayMs: options.ballastDelayMs ?? BALLAST_DELAY_MS,
		afterCrash: options.wasKilled?.() ?? false,
		resetState: options.resetState ?? false,
		heapMegabytes: heapCeilingMegabytes(),
	};
}
