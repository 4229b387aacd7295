/**
 * Reads the configuration again and changes the running one in place: all of it that
 * can change while the broker runs, or nothing when there is a mistake anywhere.
 */
import type { ConfigValue } from "../platform/config-field.ts";
import { type LoadedConfig, type LoadOptions, loadConfig } from "./config.ts";
import type { ListenerSettings } from "./listeners.ts";

export interface ReloadResult {
	/** Keys that have a new value now. */
	readonly changed: readonly string[];
	/** Keys whose new value waits for a restart; the running value stays. */
	readonly needsRestart: readonly string[];
	/** Listeners to open; the caller adds them to `config.listeners` when they are open. */
	readonly listenersAdded: readonly ListenerSettings[];
	/** Listeners to close; the caller takes them out of `config.listeners`. */
	readonly listenersRemoved: readonly ListenerSettings[];
	/** Listeners with other addresses: `from` is to be closed and `to` opened. */
	readonly listenersMoved: ReadonlyArray<{
		readonly from: ListenerSettings;
		readonly to: ListenerSettings;
	}>;
}

/**
 * @throws ConfigError with all mistakes; nothing has changed then
 */
export function reloadConfig(
	current: LoadedConfig,
	options: LoadOptions = current.options,
): ReloadResult {
	const next = loadConfig(options);
	const changed: string[] = [];
	const needsRestart: string[] = [];
	applySettings(current, next, changed, needsRestart);
	const before = new Map(current.listeners.map((one) => [one.name, one]));
	const listenersAdded: ListenerSettings[] = [];
	const listenersMoved: Array<{
		from: ListenerSettings;
		to: ListenerSettings;
	}> = [];
	for (const to of next.listeners) {
		const from = before.get(to.name);
		before.delete(to.name);
		if (from === undefined) listenersAdded.push(to);
		else if (placeOf(from) !== placeOf(to)) listenersMoved.push({ from, to });
		else applyListener(from, to, changed, needsRestart);
	}
	current.origins = next.origins;
	current.entries = next.entries;
	current.notices = next.notices;
	current.files = next.files;
	return {
		changed,
		needsRestart,
		listenersAdded,
		listenersRemoved: [...before.values()],
		listenersMoved,
	};
}

function applySettings(
	current: LoadedConfig,
	next: LoadedConfig,
	changed: string[],
	needsRestart: string[],
): void {
	const running = current.settings as unknown as Record<string, ConfigValue>;
	const wanted = next.settings as unknown as Record<string, ConfigValue>;
	const keys = new Set([...Object.keys(running), ...Object.keys(wanted)]);
	for (const key of keys) {
		const value = wanted[key];
		if (isSame(running[key], value)) continue;
		// Set nowhere: its default follows another key, which is named.
		if (!current.entries.has(key) && !next.entries.has(key)) continue;
		if (current.table.find(key)?.runtime !== true) {
			needsRestart.push(key);
			continue;
		}
		if (value === undefined) delete running[key];
		else running[key] = value;
		changed.push(key);
	}
}

function applyListener(
	running: ListenerSettings,
	wanted: ListenerSettings,
	changed: string[],
	needsRestart: string[],
): void {
	const prefix = `listener.${running.name.replace(":", ".")}`;
	const compare = (
		option: string,
		property: keyof ListenerSettings,
		list: string[],
	) => {
		if (!isSame(running[property], wanted[property])) {
			list.push(`${prefix}.${option}`);
		}
	};
	compare("max_connections", "maxConnections", changed);
	compare("nodelay", "noDelay", changed);
	compare("keepalive", "keepAliveSeconds", changed);
	compare("allowed_protocol_versions", "allowedProtocolVersions", changed);
	compare("allow_anonymous", "allowAnonymous", changed);
	compare("backlog", "backlog", needsRestart);
	compare("mountpoint", "mountpoint", needsRestart);
	running.maxConnections = wanted.maxConnections;
	running.noDelay = wanted.noDelay;
	running.keepAliveSeconds = wanted.keepAliveSeconds;
	running.allowedProtocolVersions = wanted.allowedProtocolVersions;
	running.allowAnonymous = wanted.allowAnonymous;
}

function placeOf(listener: ListenerSettings): string {
	return JSON.stringify([listener.addresses, listener.path]);
}

/** Numbers may be Infinity, which JSON does not know. */
function isSame(a: unknown, b: unknown): boolean {
	if (Array.isArray(a) && Array.isArray(b)) {
		return JSON.stringify(a) === JSON.stringify(b);
	}
	return a === b;
}
