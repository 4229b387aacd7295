/**
 * From listener keys to listeners: three levels of inheritance, the built-in ones
 * when none is named, and the mistakes only visible when all keys are together.
 * Pure functions.
 */
import type { ConfigValue } from "../platform/config-field.ts";
import type { KeyTable, ListenerKey } from "./key-table.ts";
import type { ConfigNotice, ConfigProblem } from "./problems.ts";
import type { Settings } from "./schema.ts";
import {
	activeTransports,
	defaultListeners,
	type ListenerTransport,
} from "./schema-listeners.ts";
import type { Origin } from "./sources.ts";
import { type ListenAddress, parseAddress, parseValue } from "./values.ts";

export type AnonymousAccess = Settings["allow_anonymous"];

/**
 * One listener, all levels resolved. Changed in place by a reload, as far as its
 * options can change while it runs: read them for each connection.
 */
export interface ListenerSettings {
	/** `tcp:default` */
	readonly name: string;
	readonly transport: ListenerTransport;
	/** Empty for unix sockets. */
	addresses: readonly ListenAddress[];
	/** The socket of a unix listener, else empty. */
	path: string;
	/** Infinity for no limit. */
	maxConnections: number;
	backlog: number;
	noDelay: boolean;
	/** TCP keepalive; Infinity for none. */
	keepAliveSeconds: number;
	/** 3 is MQTT 3.1, 4 is 3.1.1. */
	allowedProtocolVersions: readonly number[];
	allowAnonymous: AnonymousAccess;
	/** Empty for none. */
	mountpoint: string;
}

/** A key that was set, its value and where. */
export interface ConfigEntry {
	readonly value: ConfigValue;
	/** As it was written. */
	readonly text: string;
	readonly origin: Origin;
}

export interface ListenerInput {
	readonly table: KeyTable;
	readonly entries: ReadonlyMap<string, ConfigEntry>;
	readonly allowAnonymous: AnonymousAccess;
	readonly problems: ConfigProblem[];
	readonly notices: ConfigNotice[];
}

/** Makes the listeners; what is wrong goes to `problems`. */
export function resolveListeners(input: ListenerInput): ListenerSettings[] {
	const addresses = listenerAddresses(input);
	refuseOrphans(input, addresses);
	const listeners: ListenerSettings[] = [];
	for (const [key, value] of addresses) {
		const parts = input.table.listenerKey(key);
		if (parts === null || !isActive(parts.transport)) continue;
		if (value.length === 0) continue;
		listeners.push(listenerOf(input, parts.transport, parts.name ?? "", value));
	}
	refuseSharedAddresses(input, listeners);
	if (listeners.length === 0) {
		input.notices.push({
			where: "",
			key: "listener",
			message: "no listener is left: no client can connect",
		});
	}
	return listeners;
}

/** The address of every listener by its key, switched-off ones (empty) included. */
function listenerAddresses(
	input: ListenerInput,
): Map<string, readonly string[] | string> {
	const named = new Map<string, readonly string[] | string>();
	for (const [key, entry] of input.entries) {
		const parts = input.table.listenerKey(key);
		if (parts === null || parts.option !== null) continue;
		const { value } = entry;
		if (typeof value === "string" || Array.isArray(value)) {
			named.set(key, value as readonly string[] | string);
		}
	}
	if ([...named.values()].some((value) => value.length > 0)) return named;
	const builtIn = Object.entries(defaultListeners).map(
		([key, text]): [string, readonly string[]] => [
			key,
			text.split(",").map((part) => part.trim()),
		],
	);
	return new Map([...builtIn, ...named]);
}

/** Options of a listener without an address: its name may be misspelt. */
function refuseOrphans(
	input: ListenerInput,
	addresses: ReadonlyMap<string, unknown>,
): void {
	for (const [key, entry] of input.entries) {
		const parts = input.table.listenerKey(key);
		if (parts === null || parts.option === null || parts.name === null) {
			continue;
		}
		const address = `listener.${parts.transport}.${parts.name}`;
		if (addresses.has(address)) continue;
		input.problems.push({
			where: entry.origin.where,
			key,
			value: entry.text,
			message: `there is no listener ${parts.transport}.${parts.name}: give it an address with ${address} = HOST:PORT`,
		});
	}
}

function listenerOf(
	input: ListenerInput,
	transport: ListenerTransport,
	name: string,
	address: readonly string[] | string,
): ListenerSettings {
	const option = (key: string) => optionOf(input, { transport, name }, key);
	const anonymous = String(option("allow_anonymous"));
	const mountpoint = String(option("mountpoint"));
	return {
		name: `${transport}:${name}`,
		transport,
		addresses: typeof address === "string" ? [] : address.map(parseAddress),
		path: typeof address === "string" ? address : "",
		maxConnections: Number(option("max_connections")),
		backlog: Number(option("backlog")),
		noDelay: option("nodelay") === true,
		keepAliveSeconds: Number(option("keepalive")),
		allowedProtocolVersions: protocolVersions(
			option("allowed_protocol_versions"),
		),
		allowAnonymous:
			anonymous === "on" || anonymous === "off" || anonymous === "loopback"
				? anonymous
				: input.allowAnonymous,
		mountpoint: mountpoint === "off" ? "" : mountpoint,
	};
}

/** The keys that an option of a listener may be set with, the most particular first. */
export function optionLevels(
	transport: string | null,
	name: string | null,
	option: string,
): string[] {
	const levels = [`listener.${option}`];
	if (transport !== null) levels.unshift(`listener.${transport}.${option}`);
	if (name !== null) levels.unshift(`listener.${transport}.${name}.${option}`);
	return levels;
}

/** The most particular of the three levels, or the default. */
function optionOf(
	input: ListenerInput,
	listener: { transport: string; name: string },
	option: string,
): ConfigValue {
	const levels = optionLevels(listener.transport, listener.name, option);
	for (const key of levels) {
		const entry = input.entries.get(key);
		if (entry !== undefined) return entry.value;
	}
	const field = input.table.listenerOptions.get(option);
	if (field === undefined) throw new Error(`no listener option ${option}`);
	return parseValue(field, field.default);
}

function protocolVersions(value: ConfigValue): readonly number[] {
	return Array.isArray(value) ? value.map(Number) : [];
}

function isActive(
	transport: ListenerKey["transport"],
): transport is ListenerTransport {
	return (activeTransports as readonly (string | null)[]).includes(transport);
}

function refuseSharedAddresses(
	input: ListenerInput,
	listeners: readonly ListenerSettings[],
): void {
	const owners = new Map<string, string>();
	for (const listener of listeners) {
		const key = `listener.${listener.name.replace(":", ".")}`;
		const refuse = (message: string) =>
			input.problems.push({
				where: input.entries.get(key)?.origin.where ?? "default",
				key,
				value: input.entries.get(key)?.text ?? "",
				message,
			});
		// sun_path has 108 bytes, the last one for the end of the text.
		if (Buffer.byteLength(listener.path) > 107) {
			refuse("is too long: the path of a unix socket has at most 107 bytes");
		}
		const places = listener.addresses
			.filter((address) => address.port !== 0)
			.map((address) => `${address.host.toLowerCase()} port ${address.port}`);
		if (listener.path !== "") places.push(listener.path);
		for (const place of places) {
			const owner = owners.get(place);
			if (owner !== undefined) refuse(`${place} is taken already by ${owner}`);
			else owners.set(place, key);
		}
	}
}
