/**
 * The broker that the wire cases are run against: ours in this process, or, with
 * TEST_WIRE_TARGET=host:port, any other over TCP for comparison.
 */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Test } from "tap";
import type { Settings } from "./case-file.ts";

export interface WireTarget {
	open(): Promise<Duplex>;
	/** Moves the fake clock on, and lets what that sets off happen. */
	advance(ms: number): Promise<void>;
	stop(): Promise<void>;
	/**
	 * Lets the fake clock run as long as the late store may have answers due. A no-op
	 * (and false) when the store answers at once.
	 */
	runStore(): Promise<boolean>;
}

export interface TargetOptions {
	/** The store answers up to so many milliseconds late, at random. */
	readonly lateStoreMs?: number;
}

/** Settings which the other broker fulfils anyway, comma separated. */
const assumed = new Set(
	(process.env.TEST_WIRE_ASSUME ?? "").split(",").filter(Boolean),
);

/** The address of another broker, or null when ours is to be tested. */
const remoteTarget = process.env.TEST_WIRE_TARGET ?? null;

/** Whether a case with these settings can run against the chosen target. */
export function canHave(settings: Settings, needsClock: boolean): boolean {
	if (remoteTarget === null) return true;
	return !needsClock && Object.keys(settings).every((key) => assumed.has(key));
}

export async function startTarget(
	t: Test,
	settings: Settings,
	options: TargetOptions = {},
): Promise<WireTarget> {
	if (remoteTarget !== null) return openTcp(remoteTarget);
	const { startBroker } = await import("../support/start-broker.ts");
	const { FakeClock } = await import("../support/fake-clock.ts");
	const clock = new FakeClock();
	const { lateStoreMs = 0 } = options;
	const runStore = async () => {
		// a step of the store may set off the next one; other timers end this too
		for (let step = 0; step < 50 && lateStoreMs > 0; step++) {
			const nextMs = clock.nextTimerMs;
			if (nextMs > lateStoreMs) break;
			await clock.advanceAsync(nextMs);
		}
		return lateStoreMs > 0;
	};
	const broker = await runMeanwhile(
		startBroker(
			t,
			{ ...settings },
			// With a late store sessions sleep as soon as their client leaves.
			{ clock, lateStoreMs, ...(lateStoreMs > 0 && { awayInMemory: 0 }) },
		),
		runStore,
	);
	return {
		open: async () => broker.open(),
		advance: (ms) => clock.advanceAsync(ms),
		stop: () => runMeanwhile(broker.stop(), runStore),
		runStore,
	};
}

/**
 * Awaits something that may need answers of the late store, which need the clock to
 * move. Without a late store this only awaits.
 */
export async function runMeanwhile<T>(
	awaited: Promise<T>,
	runStore: () => Promise<boolean>,
): Promise<T> {
	let isSettled = false;
	const settled = () => {
		isSettled = true;
	};
	awaited.then(settled, settled);
	do {
		for (let turn = 0; turn < 3 && !isSettled; turn++) await nextTurn();
	} while (!isSettled && (await runStore()));
	return await awaited;
}

function openTcp(address: string): WireTarget {
	const colon = address.lastIndexOf(":");
	const host = address.slice(0, colon);
	const port = Number(address.slice(colon + 1));
	return {
		open: () =>
			new Promise<Duplex>((resolve, reject) => {
				const socket = connect({ host, port, noDelay: true });
				socket.once("error", reject);
				socket.once("connect", () => {
					socket.off("error", reject);
					resolve(socket);
				});
			}),
		advance: () => Promise.reject(new Error("no clock over TCP")),
		stop: async () => {},
		runStore: async () => false,
	};
}
