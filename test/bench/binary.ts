/**
 * `npm run bench:binary -- [--starts N] [--clients N,N] [--idle SECONDS] [--json]`: figures
 * of the built binary: sizes, start to the first CONNACK, memory and CPU at idle and with
 * clients. Builds nothing: `npm run build` first. On a machine that has nothing else to do.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
} from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connectBytes } from "../support/raw-client.ts";
import { endWithProcess } from "../support/spawn-broker.ts";
import { quantile } from "../system/waiting.ts";

const projectRoot = resolve(import.meta.dirname, "../..");
const MIB = 1024 * 1024;
const RETRY_MS = 1;
const PATIENCE_MS = 60_000;
/** After it a start, or a crowd, has given back what it needed for the moment. */
const SETTLE_MS = 10_000;
const CROWD_SETTLE_MS = 40_000;
/** CONNECTs on their way at once. */
const AT_ONCE = 100;

interface Memory {
	readonly rss: number;
	readonly pss: number;
	readonly anonymous: number;
	readonly privateDirty: number;
}

interface Figures {
	fileBytes: number;
	packages: Record<string, number>;
	/** Median and the slowest of ten, ms. */
	freshStart: [number, number];
	laterStart: [number, number];
	idle: Memory;
	/** CPU time in a minute. */
	idleCpuMs: number;
	clients: Record<number, Memory>;
	load: number;
}

class Binary {
	readonly #program: string;
	readonly #folder = mkdtempSync(join(tmpdir(), "broker-binary-"));
	readonly port: number;
	#child: ChildProcess | null = null;

	constructor(program: string, port: number) {
		this.#program = program;
		this.port = port;
	}

	/** @returns the time from the start of the process to the first CONNACK, in ms */
	async start(): Promise<number> {
		const begin = performance.now();
		const child = spawn(
			this.#program,
			[
				...["--set", `data_dir=${this.#folder}/data`],
				...["--set", `listener.tcp.default=127.0.0.1:${this.port}`],
				...["--set", "listener.ws.default=off"],
			],
			{
				env: { PATH: process.env.PATH ?? "", MALLOC_ARENA_MAX: "2" },
				stdio: ["ignore", "ignore", "ignore"],
			},
		);
		endWithProcess(child);
		this.#child = child;
		while (!(await hasConnack(this.port))) {
			if (performance.now() - begin > PATIENCE_MS)
				throw new Error("no CONNACK in time");
			await pause(RETRY_MS);
		}
		return performance.now() - begin;
	}

	get memory(): Memory {
		const text = readFileSync(`/proc/${this.#pid}/smaps_rollup`, "latin1");
		const of = (name: string) =>
			Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
		return {
			rss: of("Rss"),
			pss: of("Pss"),
			anonymous: of("Anonymous"),
			privateDirty: of("Private_Dirty"),
		};
	}

	/** CPU time so far, ms. */
	get cpuMs(): number {
		const text = readFileSync(`/proc/${this.#pid}/stat`, "latin1");
		const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
		return (Number(fields[11]) + Number(fields[12])) * 10;
	}

	async stop(): Promise<void> {
		const child = this.#child;
		if (child === null || child.exitCode !== null) return;
		const ended = once(child, "exit");
		child.kill("SIGTERM");
		await ended;
	}

	forget(): void {
		rmSync(this.#folder, { recursive: true, force: true });
	}

	get #pid(): number {
		return this.#child?.pid ?? 0;
	}
}

async function measure(
	starts: number,
	clients: readonly number[],
	idleSeconds: number,
): Promise<Figures> {
	const program = join(projectRoot, `dist/broker-linux-${process.arch}`);
	if (!existsSync(program))
		throw new Error(`${program} is missing: npm run build first`);
	const binary = new Binary(program, await freePort());
	try {
		const fresh: number[] = [];
		const later: number[] = [];
		for (let start = 0; start < starts; start++) {
			binary.forget();
			fresh.push(await binary.start());
			await binary.stop();
			later.push(await binary.start());
			await binary.stop();
		}
		await binary.start();
		await pause(SETTLE_MS);
		const idle = binary.memory;
		const before = binary.cpuMs;
		await pause(idleSeconds * 1000);
		const idleCpuMs = ((binary.cpuMs - before) * 60) / idleSeconds;
		const withClients: Record<number, Memory> = {};
		const sockets: Socket[] = [];
		for (const count of clients) {
			while (sockets.length < count) {
				const more = Math.min(AT_ONCE, count - sockets.length);
				const first = sockets.length;
				sockets.push(
					...(await Promise.all(
						Array.from({ length: more }, (_, index) =>
							openClient(binary.port, `client-${first + index}`),
						),
					)),
				);
			}
			await pause(CROWD_SETTLE_MS);
			withClients[count] = binary.memory;
		}
		for (const socket of sockets) socket.destroy();
		return {
			fileBytes: statSync(program).size,
			packages: packageSizes(),
			freshStart: [quantile(fresh, 0.5), quantile(fresh, 0.9)],
			laterStart: [quantile(later, 0.5), quantile(later, 0.9)],
			idle,
			idleCpuMs,
			clients: withClients,
			load: loadavg()[0] ?? 0,
		};
	} finally {
		await binary.stop();
		binary.forget();
	}
}

function packageSizes(): Record<string, number> {
	const folder = join(projectRoot, "dist");
	return Object.fromEntries(
		readdirSync(folder)
			.filter((name) => /\.(deb|rpm)$/.test(name))
			.map((name) => [name, statSync(join(folder, name)).size]),
	);
}

/** @returns false while nobody listens */
async function hasConnack(port: number): Promise<boolean> {
	try {
		(await openClient(port, "first")).destroy();
		return true;
	} catch {
		return false;
	}
}

/** A client that is connected, and silent. */
async function openClient(port: number, clientId: string): Promise<Socket> {
	const socket = connect({ port, host: "127.0.0.1", noDelay: true });
	await once(socket, "connect");
	socket.write(connectBytes({ clientId, keepAliveSeconds: 0 }, 4));
	const [answer] = (await once(socket, "data")) as [Buffer];
	if (answer.toString("hex") !== "20020000")
		throw new Error(`refused: ${answer.toString("hex")}`);
	socket.on("error", () => {});
	return socket;
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as { port: number };
	server.close();
	return port;
}

function describe(figures: Figures): string {
	const mib = (bytes: number) => (bytes / MIB).toFixed(1).padStart(8);
	const row = (name: string, memory: Memory) =>
		`${name.padEnd(16)}${mib(memory.rss)}${mib(memory.pss)}${mib(memory.anonymous)}${mib(memory.privateDirty)}`;
	const ms = ([median, slow]: [number, number]) =>
		`${median.toFixed(0)} ms (9 of 10 within ${slow.toFixed(0)} ms)`;
	return [
		`file              ${mib(figures.fileBytes).trim()} MiB`,
		...Object.entries(figures.packages).map(
			([name, bytes]) => `${name}  ${mib(bytes).trim()} MiB`,
		),
		`start to CONNACK  ${ms(figures.freshStart)}; with state ${ms(figures.laterStart)}`,
		`CPU at idle       ${figures.idleCpuMs.toFixed(0)} ms a minute`,
		`load of the machine ${figures.load.toFixed(1)}`,
		"",
		`${"MiB".padEnd(16)}     RSS     PSS    anon.   dirty`,
		row("idle", figures.idle),
		...Object.entries(figures.clients).map(([count, memory]) =>
			row(`${count} clients`, memory),
		),
	].join("\n");
}

const { values } = parseArgs({
	options: {
		starts: { type: "string", default: "20" },
		clients: { type: "string", default: "1000,10000" },
		idle: { type: "string", default: "60" },
		json: { type: "boolean", default: false },
	},
});
const figures = await measure(
	Number(values.starts),
	values.clients.split(",").filter(Boolean).map(Number),
	Number(values.idle),
);
console.log(values.json ? JSON.stringify(figures) : describe(figures));
