/**
 * A virtual machine that logs what is written to its disk, with a broker in it. Made by the
 * program `rig` (VMRIG names it); ends with the process at the latest.
 */
import {
	type ChildProcess,
	execFileSync,
	spawn,
	spawnSync,
} from "node:child_process";
import { once } from "node:events";
import {
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { until } from "../system/waiting.ts";

const projectFolder = resolve(import.meta.dirname, "../..");
/** Where the broker is in the machine. */
const HOME = "/opt/broker";
const START_MS = 300_000;
/** A machine without hardware support takes 20 s on a quiet host. */
const BOOT_SECONDS = "600";
const MEBIBYTE = 1024 * 1024;
/** What ends a program that takes too long. */
const endings = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

export class Machine {
	/** A place for what goes with the machine. */
	readonly folder = mkdtempSync(join(tmpdir(), "broker-vm-"));
	readonly #rig: string;
	readonly #name = `broker${process.pid}`;
	readonly #onExit = () => this.#destroy();
	/** A signal ends a process without its "exit" otherwise, and the machine would go on. */
	readonly #onSignal = (signal: (typeof endings)[number]) =>
		process.exit(128 + constants.signals[signal]);
	readonly #calls = new Set<ChildProcess>();

	constructor() {
		this.#rig = findRig();
		process.on("exit", this.#onExit);
		for (const signal of endings) process.on(signal, this.#onSignal);
	}

	/** The disk as it was when the log began, and the log. */
	get startImage(): string {
		return join(this.folder, this.#name, "pre.img");
	}

	get writeLog(): string {
		return join(this.folder, this.#name, "wlog.img");
	}

	/** @param ports of the machine that are to be reached from here */
	async boot(...ports: number[]): Promise<void> {
		await this.#run("build");
		const forwards = ports.flatMap((port) => ["--port", `${port}`]);
		await this.#run("boot", "vm", "--log-writes", ...forwards);
	}

	/** Copies the bundle and what it needs into the machine. */
	async install(): Promise<void> {
		execFileSync(process.execPath, ["build.mjs", "bundle"], {
			cwd: projectFolder,
		});
		const folder = join(this.folder, "broker");
		const addon = "better-sqlite3/prebuilds/linux-x64.node";
		for (const name of [addon, "better-sqlite3/package.json"])
			copy(
				join(projectFolder, "node_modules", name),
				join(folder, "node_modules", name),
			);
		copy(join(projectFolder, "build/broker.cjs"), join(folder, "broker.cjs"));
		copy(process.execPath, join(folder, "node"));
		copy(
			"/usr/lib/x86_64-linux-gnu/libatomic.so.1",
			join(folder, "libatomic.so.1"),
		);
		const archive = execFileSync("tar", ["-C", folder, "-c", "--gzip", "."], {
			maxBuffer: 400 * MEBIBYTE,
		});
		await this.#feed(
			archive,
			"run",
			"-i",
			`mkdir -p ${HOME} && tar -xzC ${HOME} && sync`,
		);
		rmSync(folder, { recursive: true });
	}

	/** @returns the port here */
	async startBroker(
		name: string,
		port: number,
		config: Record<string, string>,
	): Promise<number> {
		const lines = Object.entries({
			"listener.tcp.default": `0.0.0.0:${port}`,
			"listener.ws.default": "off",
			allow_anonymous: "on",
			data_dir: dataFolder(name),
			...config,
		}).map(([key, value]) => `${key} = ${value}\n`);
		const file = join(this.folder, `${name}.conf`);
		writeFileSync(file, lines.join(""));
		await this.#run("put", file, `${HOME}/`);
		const log = `/dev/shm/${name}.log`;
		const command = `env LD_LIBRARY_PATH=${HOME} ${HOME}/node ${HOME}/broker.cjs -c ${HOME}/${name}.conf`;
		await this.#run(
			"run",
			`setsid ${command} >${log} 2>&1 </dev/null & echo $! >/dev/shm/${name}.pid`,
		);
		await until(
			() =>
				this.#try(
					`grep -q 'is ready' ${log} || ! kill -0 $(cat /dev/shm/${name}.pid)`,
				),
			"the broker starts in the machine",
			START_MS,
		);
		if (!(await this.#try(`grep -q 'is ready' ${log}`)))
			throw new Error(
				`the broker ended in the machine:\n${await this.#run("run", `cat ${log}`)}`,
			);
		return await this.portOf(port);
	}

	/** Installs .deb files; the broker's unit starts it now and at each boot. */
	async installPackages(
		files: readonly string[],
		config: Record<string, string>,
	): Promise<void> {
		for (const file of files) await this.#run("put", file, "/root/");
		const lines = Object.entries(config).map(
			([key, value]) => `${key} = ${value}\n`,
		);
		const conf = join(this.folder, "broker.conf");
		writeFileSync(conf, lines.join(""));
		await this.#run("put", conf, "/root/");
		await this.#run(
			"run",
			`mkdir -p /etc/broker/conf.d && cp /root/broker.conf /etc/broker/conf.d/test.conf &&
			dpkg -i /root/*.deb && rm /root/*.deb && systemctl enable -q broker &&
			systemctl start broker && sync`,
		);
	}

	/** @returns the port here by which a port of the machine is reached */
	async portOf(port: number): Promise<number> {
		const address = await this.#run("addr", `${port}`);
		return Number(address.trim().split(":")[1]);
	}

	/** After {@link cutPower}, on the disk as that has left it; resolves when it is up. */
	async powerOn(): Promise<void> {
		await this.#run("on");
	}

	/** Resolves when the installed broker serves clients. */
	async served(): Promise<void> {
		await until(
			() => this.#try("systemctl is-active -q broker"),
			"the unit is active",
			START_MS,
		);
	}

	/** What the installed broker has said in this boot. */
	journal(): Promise<string> {
		return this.#run("run", "journalctl -q -b -u broker --no-pager -o cat");
	}

	async killBroker(name: string): Promise<void> {
		await this.#run("run", `kill -9 $(cat /dev/shm/${name}.pid)`);
	}

	/**
	 * The machine is gone, its disk stays.
	 * @param lost of what was written: nothing, what was not flushed (`unflushed`), or a part
	 * of that (`random:SEED`)
	 */
	async cutPower(lost = "none"): Promise<void> {
		await this.#run("powercut", "--lose", lost);
	}

	destroy(): void {
		process.off("exit", this.#onExit);
		for (const signal of endings) process.off(signal, this.#onSignal);
		this.#destroy();
	}

	#destroy(): void {
		for (const { pid } of this.#calls) endGroup(pid);
		spawnSync(this.#rig, ["down"], { env: this.#environment });
		rmSync(this.folder, { recursive: true, force: true });
	}

	async #try(command: string): Promise<boolean> {
		return (await this.#call(null, ["run", command])).code === 0;
	}

	#run(...words: string[]): Promise<string> {
		return this.#feed(null, ...words);
	}

	async #feed(input: Buffer | null, ...words: string[]): Promise<string> {
		const { code, stdout, stderr } = await this.#call(input, words);
		if (code === 0) return stdout;
		throw new Error(`rig ${words.join(" ")}: ${code}\n${stdout}${stderr}`);
	}

	/** Not synchronous: a signal has to be heard while the machine boots. */
	async #call(input: Buffer | null, words: readonly string[]) {
		const child = spawn("nice", ["-n", "3", this.#rig, ...words], {
			env: this.#environment,
			// A group of its own, so that what it has started ends with it.
			detached: true,
		});
		this.#calls.add(child);
		child.stdin.on("error", () => undefined);
		child.stdin.end(input ?? undefined);
		const [stdout, stderr, [code]] = await Promise.all([
			text(child.stdout),
			text(child.stderr),
			once(child, "exit") as Promise<[number | null]>,
		]);
		this.#calls.delete(child);
		return { code, stdout, stderr };
	}

	get #environment(): NodeJS.ProcessEnv {
		return {
			RIG_BOOT_WAIT: BOOT_SECONDS,
			...process.env,
			RIG_STATE: this.folder,
			RIG_NAME: this.#name,
		};
	}
}

/** Where a broker's data is in the machine. */
export function dataFolder(name: string): string {
	return `/var/lib/${name}`;
}

function endGroup(pid: number | undefined): void {
	if (pid === undefined) return;
	try {
		process.kill(-pid, "SIGTERM");
	} catch {
		// It has just ended.
	}
}

function findRig(): string {
	const rig = resolve(
		projectFolder,
		process.env.VMRIG || "../shared/vmrig/rig",
	);
	if (!existsSync(rig))
		throw new Error(
			`${rig} is missing: the power-cut test needs a virtual machine that logs its disk's writes; set VMRIG to the program that makes it`,
		);
	return rig;
}

function copy(from: string, to: string): void {
	mkdirSync(dirname(to), { recursive: true });
	copyFileSync(from, to);
}
