/**
 * A broker that `npm run bench` measures: started afresh for each run, on a port and in a
 * folder of its own, and asked for a first CONNACK again and again until it comes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { sampleProcess } from "../../src/cli/bench/broker-process.ts";
import { encodeConnect } from "../../src/protocol/client-packets.ts";
import { endWithProcess, freePort } from "../support/spawn-broker.ts";
import { brokerPrefix } from "./pinning.ts";

const MOSQUITTO = "/usr/sbin/mosquitto";
const RETRY_MS = 1;
const START_MS = 30_000;
const STOP_MS = 15_000;
/** After it a start has given back what it needed for the moment. */
const REST_MS = 300;

export type RivalName = "broker" | "mosquitto";

/** How a start went. */
export interface StartFigures {
	/** From the start of the process to the first CONNACK. */
	readonly startMs: number;
	readonly rssBytes: number;
	readonly cpuMs: number;
}

export class Rival {
	readonly #folder: string;
	readonly #child: ChildProcess;
	readonly port: number;
	readonly start: StartFigures;

	private constructor(
		folder: string,
		child: ChildProcess,
		port: number,
		start: StartFigures,
	) {
		this.#folder = folder;
		this.#child = child;
		this.port = port;
		this.start = start;
	}

	/**
	 * @param command that starts ours, without its configuration
	 * @throws Error when no CONNACK comes
	 */
	static async begin(
		name: RivalName,
		command: readonly string[],
	): Promise<Rival> {
		const folder = await mkdtemp(join(tmpdir(), "broker-bench-"));
		const port = await freePort();
		await mkdir(join(folder, "state"));
		const file = join(folder, `${name}.conf`);
		const isOurs = name === "broker";
		await writeFile(file, isOurs ? ourConfig(folder, port) : rivalConfig(port));
		const [program = "", ...args] = [
			...brokerPrefix,
			...(isOurs ? command : [MOSQUITTO]),
			"-c",
			file,
		];
		const began = performance.now();
		const child = spawn(program, args, { cwd: folder, stdio: "ignore" });
		endWithProcess(child);
		try {
			while (!(await answers(port))) {
				if (child.exitCode !== null || performance.now() - began > START_MS)
					throw new Error(`${[program, ...args].join(" ")} does not answer`);
				await pause(RETRY_MS);
			}
			const startMs = performance.now() - began;
			await pause(REST_MS);
			const sample = sampleProcess(child.pid ?? 0);
			return new Rival(folder, child, port, {
				startMs,
				rssBytes: sample?.rssBytes ?? Number.NaN,
				cpuMs: sample?.cpuMs ?? Number.NaN,
			});
		} catch (error) {
			child.kill("SIGKILL");
			await rm(folder, { recursive: true, force: true });
			throw error;
		}
	}

	get pid(): number {
		return this.#child.pid ?? 0;
	}

	/** By SIGTERM, so that a profile is written. */
	async end(): Promise<void> {
		const child = this.#child;
		if (child.exitCode === null && child.signalCode === null) {
			const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
			child.kill("SIGTERM");
			await once(child, "exit");
			clearTimeout(late);
		}
		await rm(this.#folder, { recursive: true, force: true });
	}
}

function ourConfig(folder: string, port: number): string {
	return [
		`listener.tcp.default = 127.0.0.1:${port}`,
		"listener.ws.default = off",
		`data_dir = ${folder}/state`,
		`admin.socket = ${folder}/admin.sock`,
		"max_inflight_messages = 1000",
		"max_online_messages = unlimited",
		"max_offline_messages = unlimited",
		"",
	].join("\n");
}

/** mosquitto with its limits out of the way, as ours. */
function rivalConfig(port: number): string {
	return [
		`listener ${port} 127.0.0.1`,
		"user root",
		"allow_anonymous true",
		"max_queued_messages 0",
		"max_inflight_messages 1000",
		"set_tcp_nodelay true",
		"log_dest none",
		"",
	].join("\n");
}

/** Whether a CONNECT is answered. */
function answers(port: number): Promise<boolean> {
	return new Promise((done) => {
		const socket = connect(port, "127.0.0.1");
		const end = (isAnswered: boolean) => {
			socket.destroy();
			done(isAnswered);
		};
		socket.once("error", () => end(false));
		socket.once("close", () => end(false));
		socket.once("data", () => end(true));
		socket.write(
			encodeConnect({
				family: 3,
				clientId: "first",
				cleanStart: true,
				keepAliveSeconds: 60,
				sessionExpirySeconds: 0,
				username: null,
				password: null,
			}),
		);
	});
}
