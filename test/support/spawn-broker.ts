/**
 * Starts a real broker process for tests, the soak run and the benchmarks, on
 * ports the system chooses, with its state in a temporary folder.
 * Owner of the child: every process started here is ended by its own pid, by
 * `stop`, by `kill` or by the tear-down of the test.
 * Which broker runs is the caller's choice, or that of the environment:
 * TEST_BUNDLE=FILE runs a bundle instead of the sources, and
 * TEST_INTEROP_TARGET=mosquitto runs mosquitto as the yardstick.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Children that run: a test process that ends in a hurry takes them along. */
const running = new Set<ChildProcess>();
process.on("exit", endChildren);
// tap ends a test that takes too long by one of these.
for (const signal of ["SIGALRM", "SIGTERM", "SIGINT"] as const) {
	process.once(signal, () => {
		endChildren();
		process.kill(process.pid, signal);
	});
}

function endChildren(): void {
	for (const child of running) child.kill("SIGKILL");
}

/** Has a child ended together with this process at the latest. */
export function endWithProcess(child: ChildProcess): void {
	running.add(child);
	child.once("exit", () => running.delete(child));
}

export type BrokerKind = "broker" | "mosquitto";

export interface SpawnOptions {
	/** Which program runs; by default what TEST_INTEROP_TARGET says, else ours. */
	kind?: BrokerKind;
	/** Lines of our configuration file, beside listeners and data folder. */
	config?: Record<string, string>;
	/** Lines of mosquitto's configuration file, beside its listeners and data folder. */
	mosquittoConfig?: Record<string, string>;
	/** More command line arguments of the broker. */
	args?: string[];
	/** Arguments of the runtime itself, for example --expose-gc. */
	nodeArgs?: string[];
	/** More environment variables. */
	env?: Record<string, string>;
	/** Words put before the command that replace themselves by it, like taskset. */
	prefix?: string[];
	/** A folder whose files are in the data folder from the beginning. */
	dataFrom?: string;
	/** How long a start may take, in milliseconds. */
	startTimeoutMs?: number;
}

export interface SpawnedBroker {
	readonly kind: BrokerKind;
	/** MQTT over TCP on 127.0.0.1. */
	readonly port: number;
	/** MQTT over WebSocket on 127.0.0.1, path /mqtt. */
	readonly wsPort: number;
	/** Process id; another one after `restart`. */
	readonly pid: number;
	readonly dataDir: string;
	/** The process is no more. */
	readonly hasEnded: boolean;
	/** Everything written to stderr so far, all starts together. */
	stderr(): string;
	/** Ends it with SIGTERM and returns the exit code; throws when that takes over 15 s. */
	stop(): Promise<number>;
	/** Sends the signal and waits for the end. */
	kill(signal: NodeJS.Signals): Promise<void>;
	/** Stops it with SIGTERM unless it has ended, and starts it again: same ports, same data. */
	restart(): Promise<void>;
	/** Ends the process if need be and removes the temporary folder. */
	dispose(): Promise<void>;
}

/** The part of a tap test that is needed here. */
export interface TearDown {
	teardown(handler: () => unknown): unknown;
}

const projectRoot = resolve(import.meta.dirname, "../..");
const mosquittoPath = "/usr/sbin/mosquitto";
const stopTimeoutMs = 15_000;

/** The broker under test according to the environment. */
export function targetKind(): BrokerKind {
	const wanted = process.env.TEST_INTEROP_TARGET ?? "broker";
	if (wanted !== "broker" && wanted !== "mosquitto") {
		throw new Error(
			`TEST_INTEROP_TARGET=${wanted}: use "broker" or "mosquitto"`,
		);
	}
	return wanted;
}

/** Starts a broker that ends with the test. */
export async function spawnBroker(
	t: TearDown,
	options: SpawnOptions = {},
): Promise<SpawnedBroker> {
	const broker = await startBrokerProcess(options);
	t.teardown(() => broker.dispose());
	return broker;
}

/** Starts a broker; the caller calls `dispose`. */
export async function startBrokerProcess(
	options: SpawnOptions = {},
): Promise<SpawnedBroker> {
	const folder = await mkdtemp(join(tmpdir(), "broker-test-"));
	const broker = new BrokerProcess(options, folder);
	try {
		if (options.dataFrom !== undefined)
			await cp(options.dataFrom, broker.dataDir, { recursive: true });
		await broker.start();
	} catch (error) {
		await broker.dispose();
		throw error;
	}
	return broker;
}

class BrokerProcess implements SpawnedBroker {
	readonly kind: BrokerKind;
	readonly dataDir: string;
	port = 0;
	wsPort = 0;
	readonly #options: SpawnOptions;
	readonly #folder: string;
	readonly #output: string[] = [];
	#child: ChildProcess | undefined;

	constructor(options: SpawnOptions, folder: string) {
		this.kind = options.kind ?? targetKind();
		this.#options = options;
		this.#folder = folder;
		this.dataDir = join(folder, "data");
	}

	get pid(): number {
		const pid = this.#child?.pid;
		if (pid === undefined) throw new Error("the broker is not running");
		return pid;
	}

	get hasEnded(): boolean {
		return this.#child === undefined || hasEnded(this.#child);
	}

	stderr(): string {
		return this.#output.join("");
	}

	async start(): Promise<void> {
		await mkdir(this.dataDir, { recursive: true });
		const configFile = join(this.#folder, "broker.conf");
		const ours = this.kind === "broker";
		await writeFile(
			configFile,
			ours ? this.#ourConfig() : await this.#mosquittoConfig(),
		);
		const command = ours ? this.#ourCommand(configFile) : mosquitto(configFile);
		const [program = "", ...args] = [
			...(this.#options.prefix ?? []),
			...command,
			...(this.#options.args ?? []),
		];
		const child = spawn(program, args, {
			cwd: projectRoot,
			env: { ...process.env, ...this.#options.env },
			stdio: ["ignore", "ignore", "pipe"],
		});
		this.#child = child;
		endWithProcess(child);
		await this.#untilListening(child);
	}

	#ourConfig(): string {
		return configText(
			{
				data_dir: this.dataDir,
				// Tests that kill it again and again mean no failure of its start.
				"store.max_failed_starts": "0",
				"listener.tcp.default": `127.0.0.1:${this.port}`,
				"listener.ws.default": `127.0.0.1:${this.wsPort}`,
				...this.#options.config,
			},
			" = ",
		);
	}

	async #mosquittoConfig(): Promise<string> {
		this.port ||= await freePort();
		this.wsPort ||= await freePort();
		const lines = configText(
			{
				user: "root",
				allow_anonymous: "true",
				persistence: "true",
				persistence_location: `${this.dataDir}/`,
				log_dest: "stderr",
				max_queued_messages: "0",
				...this.#options.mosquittoConfig,
			},
			" ",
		);
		return `${lines}listener ${this.port} 127.0.0.1\nlistener ${this.wsPort} 127.0.0.1\nprotocol websockets\n`;
	}

	#ourCommand(configFile: string): string[] {
		const bundle = process.env.TEST_BUNDLE;
		const entry = resolve(projectRoot, bundle || "src/main.ts");
		return [
			process.execPath,
			...(this.#options.nodeArgs ?? []),
			entry,
			"-c",
			configFile,
		];
	}

	/** Both ports are known from the broker's own lines; mosquitto's were chosen here. */
	#untilListening(child: ChildProcess): Promise<void> {
		const startedAt = this.#output.length;
		let listening = false;
		return new Promise((done, fail) => {
			const settle = (error?: Error) => {
				clearTimeout(timer);
				child.off("error", settle);
				child.off("exit", onExit);
				if (error === undefined) done();
				else fail(error);
			};
			const describe = (what: string) =>
				new Error(
					`${what}; its stderr:\n${this.#output.slice(startedAt).join("")}`,
				);
			const onExit = (code: number | null, signal: string | null) =>
				settle(describe(`the broker ended at start (${code ?? signal})`));
			const timer = setTimeout(
				() => settle(describe("the broker did not listen in time")),
				this.#options.startTimeoutMs ?? 20_000,
			);
			child.once("error", settle);
			child.once("exit", onExit);
			child.stderr?.setEncoding("utf8").on("data", (text: string) => {
				this.#output.push(text);
				if (listening) return;
				listening = this.#learnPorts(this.#output.slice(startedAt).join(""));
				if (listening) settle();
			});
		});
	}

	/** Reads what a starting broker said; true once both its listeners are open. */
	#learnPorts(said: string): boolean {
		if (this.kind === "mosquitto") {
			return /mosquitto version \S+ running/.test(said);
		}
		const tcp = /listening on mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(said);
		const ws = /listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(said);
		if (tcp === null || ws === null) return false;
		this.port = Number(tcp[1]);
		this.wsPort = Number(ws[1]);
		return true;
	}

	async stop(): Promise<number> {
		const child = this.#child;
		if (child === undefined) throw new Error("the broker is not running");
		const late = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
		await this.kill("SIGTERM");
		clearTimeout(late);
		if (child.signalCode === "SIGKILL") {
			throw new Error(
				`the broker did not end within ${stopTimeoutMs} ms of SIGTERM`,
			);
		}
		return child.exitCode ?? -1;
	}

	async kill(signal: NodeJS.Signals): Promise<void> {
		const child = this.#child;
		if (child === undefined || hasEnded(child)) return;
		const ended = once(child, "exit");
		child.kill(signal);
		await ended;
	}

	async restart(): Promise<void> {
		if (this.#child !== undefined && !hasEnded(this.#child)) await this.stop();
		await this.start();
	}

	async dispose(): Promise<void> {
		await this.kill("SIGKILL");
		await rm(this.#folder, { recursive: true, force: true });
	}
}

function hasEnded(child: ChildProcess): boolean {
	return (
		child.pid === undefined ||
		child.exitCode !== null ||
		child.signalCode !== null
	);
}

function mosquitto(configFile: string): string[] {
	if (!existsSync(mosquittoPath)) {
		throw new Error(`${mosquittoPath} is missing: apt-get install mosquitto`);
	}
	return [mosquittoPath, "-c", configFile];
}

function configText(values: Record<string, string>, between: string): string {
	return Object.entries(values)
		.map(([key, value]) => `${key}${between}${value}\n`)
		.join("");
}

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	await once(server, "close");
	if (address === null || typeof address === "string") {
		throw new Error("no port");
	}
	return address.port;
}
