/**
 * How long a broker takes from its process's start to its first CONNACK, and what it reads
 * from the disk until then.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { SpawnedBroker } from "./spawn-broker.ts";

export interface StartFigures {
	/** From the start of the process until a client had its CONNACK. */
	readonly connackMs: number;
	/** What the disk gave the process until then: read_bytes of /proc/PID/io. */
	readonly readBytes: number;
	/** What the process asked files and sockets for until then, cached or not: rchar. */
	readonly askedBytes: number;
}

/** MQTT 3.1.1, Clean Session 0: a client that returns to its session "gateway-1". */
const CONNECT = Buffer.from(
	"101500044d5154540400003c0009676174657761792d31",
	"hex",
);
const RETRY_MS = 2;
const PATIENCE_MS = 60_000;

/** Starts a broker that has stopped; it stays up. */
export async function measureStart(
	broker: SpawnedBroker,
): Promise<StartFigures> {
	const begin = performance.now();
	const started = broker.restart();
	await firstConnack(broker.port, begin + PATIENCE_MS);
	const connackMs = performance.now() - begin;
	const io = readFileSync(`/proc/${broker.pid}/io`, "latin1");
	await started;
	const count = (name: string) =>
		Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(io)?.[1]);
	return {
		connackMs,
		readBytes: count("read_bytes"),
		askedBytes: count("rchar"),
	};
}

/** Has the system forget what it keeps of the files, so that the next read is the disk's. */
export function dropFromCache(files: readonly string[]): void {
	execFileSync("sync", ["-f", ...files]);
	for (const file of files) {
		if (!existsSync(file)) continue;
		execFileSync("dd", [`if=${file}`, "iflag=nocache", "count=0"], {
			stdio: "ignore",
		});
	}
}

async function firstConnack(port: number, deadline: number): Promise<void> {
	while (!(await tryConnect(port))) {
		if (performance.now() > deadline) throw new Error("no CONNACK in time");
		await pause(RETRY_MS);
	}
}

/** @returns false when nobody listens yet */
function tryConnect(port: number): Promise<boolean> {
	return new Promise((done, fail) => {
		const socket = connect({ port, host: "127.0.0.1", noDelay: true });
		socket.on("connect", () => socket.write(CONNECT));
		socket.on("data", (chunk: Buffer) => {
			socket.destroy();
			if (chunk[0] === 0x20 && chunk[3] === 0) done(true);
			else fail(new Error(`refused: ${chunk.toString("hex")}`));
		});
		socket.on("error", () => done(false));
		socket.on("close", () => done(false));
	});
}
