/**
 * How the broker is doing: as figures for programs, and as lines for a person. What is
 * added here is shown by `broker status` without further ado.
 */
import type { ByteBudget } from "../platform/byte-budget.ts";
import { version } from "../platform/version.ts";
import { inBytes, inTime, plural } from "../platform/words.ts";
import type { SessionCounters } from "../session/session-counters.ts";
import type { StoreCounters } from "../store/store.ts";
import type { Broker } from "./broker.ts";
import type { DegradedStatus } from "./degraded-mode.ts";
import type { MemoryStatus } from "./overload.ts";
import type { RamStateStatus } from "./ram-state.ts";
import type { Statistics } from "./statistics.ts";
import type { WearStatus } from "./wear.ts";

/** What a power cut may take of what was acknowledged. */
export interface DurabilityStatus {
	readonly mode: "strict" | "relaxed" | "ram+checkpoint" | "memory";
	/** 0 for nothing, null for everything. ram+checkpoint: the time since the last checkpoint. */
	readonly lossWindowMs: number | null;
}

export interface ListenerStatus {
	readonly name: string;
	/** `127.0.0.1:1883`, or the path of a unix socket. */
	readonly addresses: readonly string[];
	readonly connections: number;
}

/** A snapshot. */
export interface BrokerStatus {
	readonly version: string;
	readonly pid: number;
	/** Seconds since the start. */
	readonly uptimeSeconds: number;
	readonly dataDir: string;
	readonly connections: number;
	readonly sessions: number;
	readonly subscriptions: number;
	readonly sharedSubscriptions: number;
	readonly listeners: readonly ListenerStatus[];
	readonly durability: DurabilityStatus;
	/** Null unless `state = ram+checkpoint`. */
	readonly ramState: RamStateStatus | null;
	readonly store: Readonly<StoreCounters>;
	/** Whether the database can be written, and what is done while it cannot. */
	readonly degraded: DegradedStatus;
	/** What somebody has to see to, in words: safe mode, a database in trouble. */
	readonly alarms: readonly string[];
	/** How much memory is charged, to whom, and what is done about it. */
	readonly memory: MemoryStatus;
	/** What is written to the disk, at what pace, and for what. */
	readonly wear: WearStatus;
	readonly budgets: readonly ByteBudget[];
	readonly statistics: Readonly<Statistics>;
	readonly counters: Readonly<SessionCounters>;
}

/** A heading and the lines under it; the first stands beside the heading. */
export type StatusLines = readonly [heading: string, ...lines: string[]];

/** What an extension adds to the status. */
export interface StatusPart {
	/** The name of its figures in JSON. */
	readonly name: string;
	figures(): unknown;
	/** For a person; none when there is nothing to say. */
	lines(): readonly StatusLines[];
}

export function statusOf(broker: Broker): BrokerStatus {
	const { settings, clock } = broker;
	const ramState = broker.isInMemory ? null : broker.ramState;
	const uptimeMs = clock.monotonicMs() - broker.startedAtMs;
	return {
		version,
		pid: process.pid,
		uptimeSeconds: Math.floor(uptimeMs / 1000),
		dataDir: settings.data_dir,
		connections: broker.connections.size,
		sessions: broker.registry.size,
		subscriptions: broker.router.subscriptions.size,
		sharedSubscriptions: broker.router.subscriptions.sharedGroups,
		listeners: [...broker.listeners.values()].map(
			({ name, addresses, connections }) => ({ name, addresses, connections }),
		),
		durability: durabilityOf(broker),
		ramState: ramState?.status ?? null,
		store: broker.store.counters,
		degraded: broker.degraded.status,
		alarms: [
			broker.safeMode.alarm,
			ramState?.alarm ?? "",
			broker.store.counters.trouble,
		].filter(Boolean),
		memory: broker.overload.status,
		wear: broker.wear.status,
		budgets: broker.budgets.all,
		statistics: broker.statistics,
		counters: broker.counters,
	};
}

export function statusLines(status: BrokerStatus): StatusLines[] {
	const { counters, store, memory } = status;
	return [
		...alarmLines(status),
		[
			"clients",
			`${status.connections} connected, ${plural(status.sessions, "session")}, ${plural(status.subscriptions, "subscription")}`,
		],
		[
			"queued",
			`${plural(counters.queuedMessages, "message")}, ${inBytes(counters.queuedBytes)}`,
		],
		[
			"retained",
			`${plural(store.retainedMessages, "message")}, ${inBytes(store.retainedBytes)}`,
		],
		[
			"memory",
			`${memory.stage}: ${inBytes(memory.chargedBytes)} of ${inBytes(memory.budgetBytes)} charged; the process has ${inBytes(memory.residentBytes)}, memory_limit is ${inBytes(memory.limitBytes)}`,
			...memory.largest.map(
				({ name, bytes, key }) => `${inBytes(bytes)} ${name} (${key})`,
			),
		],
		["state", `in ${describeState(status)}`, ...troubleLines(status.degraded)],
		["wear", status.wear.words],
		["power cut", describeDurability(status.durability)],
		...listenerLines(status.listeners),
	];
}

/** Trouble of the database stands beside its place. */
function alarmLines({ alarms, degraded }: BrokerStatus): StatusLines[] {
	return alarms
		.filter((alarm) => alarm !== degraded.trouble)
		.map((alarm) => ["ALARM", alarm]);
}

function listenerLines(listeners: readonly ListenerStatus[]): StatusLines[] {
	const [first = "nowhere: no client can connect", ...rest] = listeners.map(
		({ name, addresses, connections }) =>
			`${addresses.join(", ")} (${name}), ${plural(connections, "connection")}`,
	);
	return [["listening", first, ...rest]];
}

function describeState({
	durability,
	ramState,
	dataDir,
	store,
}: BrokerStatus): string {
	const waiting =
		store.pendingBytes === 0
			? ""
			: `, ${inBytes(store.pendingBytes)} on the way to the disk`;
	if (durability.mode === "memory") return "memory only";
	if (ramState === null) return `${dataDir}${waiting}`;
	return `memory: ${inBytes(ramState.bytes)} in ${ramState.path}, saved to ${dataDir}${waiting}`;
}

function troubleLines(degraded: DegradedStatus): string[] {
	const { trouble, seconds, isRefusing, refused } = degraded;
	if (trouble === "") return [];
	const since = seconds === 0 ? "" : ` for ${inTime(seconds * 1000)}`;
	const doing = isRefusing
		? `what has to be stored is refused (store.degraded_wait): ${plural(refused, "time")} since the start`
		: "what has to be stored waits";
	return [`TROUBLE${since}: ${trouble}`, doing];
}

function describeDurability({ mode, lossWindowMs }: DurabilityStatus): string {
	if (mode === "memory")
		return "everything is lost with the process: what is acknowledged is in memory only (persistence = off, or safe mode)";
	if (mode === "ram+checkpoint")
		return `loses what was acknowledged since the last checkpoint, ${inTime(lossWindowMs ?? 0)} ago (state.checkpoint_interval; broker state checkpoint makes one); the end of the broker alone loses nothing`;
	if (mode === "strict")
		return "loses nothing that was acknowledged (durability = strict)";
	return `may lose what was acknowledged in the last ${inTime(lossWindowMs ?? 0)} (durability = relaxed, store.sync_interval)`;
}

function durabilityOf({
	settings,
	isInMemory,
	ramState,
}: Broker): DurabilityStatus {
	if (isInMemory) return { mode: "memory", lossWindowMs: null };
	if (ramState !== null)
		return {
			mode: "ram+checkpoint",
			lossWindowMs: ramState.status.unsavedMs,
		};
	if (settings.durability === "strict")
		return { mode: "strict", lossWindowMs: 0 };
	return { mode: "relaxed", lossWindowMs: settings["store.sync_interval"] };
}
