/**
 * A throw-away machine with a real systemd: a container on an image of Debian 12, up in a
 * second. What it writes is in memory and gone with it; a reboot keeps it. Needs root.
 *
 * It ends with the test, however that ends: `machine-keeper.sh` holds all that belongs to
 * it and ends when the pipe to this process breaks.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { endWithProcess, type TearDown } from "../support/spawn-broker.ts";
import { machineImage } from "./machine-image.ts";

const keeper = join(import.meta.dirname, "machine-keeper.sh");
const START_MS = 120_000;
const environment = [
	"HOME=/root",
	"USER=root",
	"TERM=dumb",
	"LC_ALL=C.UTF-8",
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
];

export interface RunResult {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** @throws Error that says what is missing on this machine */
export async function startMachine(t: TearDown): Promise<Machine> {
	if (process.getuid?.() !== 0)
		throw new Error("a container needs root: run this test as root");
	const machine = new Machine(machineImage());
	t.teardown(() => machine.dispose());
	await machine.start();
	return machine;
}

export class Machine {
	/** Of the container, seen from this machine. */
	readonly address: string;
	readonly #name = `broker-${process.pid}`;
	readonly #subnet = (process.pid % 16_000) * 4;
	readonly #child: ChildProcess;
	readonly #answers: AsyncIterator<string>;
	readonly #lines: Interface;
	#leader = 0;

	/** @param image folder of a root file system, which stays as it is */
	constructor(image: string) {
		this.address = this.#hostAddress(2);
		this.#child = spawn(
			"unshare",
			[
				...["--mount", "--propagation", "private", "bash", keeper],
				...[image, this.#name, ...controlGroups(this.#name)],
			],
			{ stdio: ["pipe", "pipe", "inherit"] },
		);
		endWithProcess(this.#child);
		if (this.#child.stdout === null) throw new Error("no pipe");
		this.#lines = createInterface({ input: this.#child.stdout });
		this.#answers = this.#lines[Symbol.asyncIterator]();
	}

	/** Starts it, also after {@link powerCut}; resolves when its systemd has settled. */
	async start(): Promise<void> {
		const [word, pid] = (await this.#ask("start")).split(" ");
		if (word !== "leader") throw new Error(`the container: ${word} ${pid}`);
		this.#leader = Number(pid);
		this.#connect();
		const deadline = performance.now() + START_MS;
		for (;;) {
			const { stdout } = await this.run("systemctl is-system-running");
			if (/^(running|degraded)/.test(stdout)) return;
			if (performance.now() > deadline)
				throw new Error(`systemd is ${stdout.trim()} after ${START_MS} ms`);
		}
	}

	/** Runs shell commands in it, as root. */
	async run(script: string, input?: Buffer): Promise<RunResult> {
		const child = spawn(
			"nsenter",
			[
				...["-t", String(this.#leader), "-m", "-u", "-i", "-n", "-p", "-C"],
				...["-r", "-w", "env", "-i", ...environment, "bash", "-c", script],
			],
			{ stdio: ["pipe", "pipe", "pipe"] },
		);
		endWithProcess(child);
		const said = { stdout: "", stderr: "" };
		for (const name of ["stdout", "stderr"] as const)
			child[name].setEncoding("utf8").on("data", (text: string) => {
				said[name] += text;
			});
		child.stdin.on("error", () => {}); // it need not read all of it
		child.stdin.end(input);
		const [code] = await once(child, "close");
		return { code: code ?? -1, ...said };
	}

	/** As {@link run}; gives what was printed. @throws Error when the command fails */
	async must(script: string): Promise<string> {
		const { code, stdout, stderr } = await this.run(script);
		if (code !== 0)
			throw new Error(`${script}: exit code ${code}\n${stdout}${stderr}`);
		return stdout;
	}

	/** Copies a file in, with its mode. @param to a path, or a folder when it ends with `/` */
	async put(file: string, to = "/root/"): Promise<void> {
		const target = to.endsWith("/") ? `${to}${basename(file)}` : to;
		const mode = (statSync(file).mode & 0o777).toString(8);
		await this.write(target, readFileSync(file), mode);
	}

	async write(
		target: string,
		content: string | Buffer,
		mode = "644",
	): Promise<void> {
		const script = `mkdir -p "$(dirname '${target}')" && cat >'${target}.new' && chmod ${mode} '${target}.new' && mv '${target}.new' '${target}'`;
		const { code, stderr } = await this.run(script, Buffer.from(content));
		if (code !== 0) throw new Error(`${target}: ${stderr}`);
	}

	/** What the journal has of a unit, all boots, a line each without date. */
	journal(unit: string): Promise<string> {
		return this.must(`journalctl -q -u ${unit} --no-pager -o cat`);
	}

	/** Runs this machine's `ip` on the network of the container. */
	network(...args: string[]): void {
		execFileSync("nsenter", ["-t", String(this.#leader), "-n", "ip", ...args]);
	}

	/** In order; resolves when systemd has settled again. */
	async reboot(): Promise<void> {
		await this.run("systemctl reboot");
		await this.#ask("wait");
		await this.start();
	}

	/** Kills everything in it at once. What was written stays: no disk loses anything. */
	async powerCut(): Promise<void> {
		await this.#ask("kill");
	}

	async dispose(): Promise<void> {
		if (this.#child.exitCode !== null) return;
		const ended = once(this.#child, "exit");
		this.#child.stdin?.end();
		this.#lines.close();
		await ended;
	}

	async #ask(command: string): Promise<string> {
		this.#child.stdin?.write(`${command}\n`);
		const { value, done } = await this.#answers.next();
		if (done) throw new Error("the keeper of the container has ended");
		return value;
	}

	/** A cable from this machine to the container; it goes with the container's network. */
	#connect(): void {
		const far = ["nsenter", "-t", String(this.#leader), "-n", "ip"];
		const cable = `brk${process.pid}`;
		const ip = (...args: string[]) => execFileSync("ip", args);
		const inside = (...args: string[]) =>
			execFileSync("nsenter", [...far.slice(1), ...args]);
		ip(
			...["link", "add", cable, "type", "veth"],
			...["peer", "name", "host0", "netns", String(this.#leader)],
		);
		ip("addr", "add", `${this.#hostAddress(1)}/30`, "dev", cable);
		ip("link", "set", cable, "up");
		inside("addr", "add", `${this.address}/30`, "dev", "host0");
		inside("link", "set", "host0", "up");
		inside("link", "set", "lo", "up");
	}

	/** 10.231.0.0/16 in subnets of four, one for each test process. */
	#hostAddress(host: number): string {
		const last = this.#subnet + host;
		return `10.231.${last >> 8}.${last & 255}`;
	}
}

/** A control group of its own in each hierarchy that systemd in the container uses. */
function controlGroups(name: string): string[] {
	const groups: string[] = [];
	for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
		const [, controllers, path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
		const mount = mountOf(controllers);
		if (mount !== null && existsSync(mount))
			groups.push(join(mount, path, name));
	}
	return groups;
}

function mountOf(controllers: string | undefined): string | null {
	switch (controllers) {
		case undefined:
			return null;
		case "": // version 2, alone or beside version 1
			return existsSync("/sys/fs/cgroup/cgroup.controllers")
				? "/sys/fs/cgroup"
				: "/sys/fs/cgroup/unified";
		case "name=systemd":
			return "/sys/fs/cgroup/systemd";
		default:
			return /^(memory|pids|cpu)$/.test(controllers)
				? `/sys/fs/cgroup/${controllers}`
				: null;
	}
}
