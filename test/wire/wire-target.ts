/**
 * The broker that the wire cases are run against: ours in this process, or, with
 * TEST_WIRE_TARGET=host:port, any other over TCP for comparison.
 */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Test } from "tap";
import type { Settings } from "./case-file.ts";

export interface WireTarget {
	open(): Promise<Duplex>;
	/** Moves the fake clock on, and lets what that sets off happen. */
	advance(ms: number): Promise<void>;
	stop(): Promise<void>;
	/** False over TCP: no settings, no clock. */
	readonly isOurs: boolean;
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
export const remoteTarget = process.env.TEST_WIRE_TARGET ?? null;

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
	const broker = await startBroker(t, { ...settings }, { ...options });
	return {
		open: async () => broker.open(),
		advance: (ms) => broker.clock.advanceAsync(ms),
		stop: () => broker.stop(),
		isOurs: true,
	};
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
		isOurs: false,
	};
}
