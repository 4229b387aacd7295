/**
 * Runs the broker's program without any help of the harness: arguments, working folder and
 * user are the test's. For starts that fail, commands that end by themselves, and odd folders.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { patienceMs } from "../support/raw-client.ts";
import type { TearDown } from "../support/spawn-broker.ts";
import { until } from "./waiting.ts";

const projectRoot = resolve(import.meta.dirname, "../..");

export const sources = resolve(projectRoot, "src/main.ts");

export interface RunOptions {
	/** The program: the sources, a bundle, or a binary. */
	entry?: string;
	cwd?: string;
	env?: Record<string, string>;
	/** Runs as this user. */
	uid?: number;
}

export interface Ended {
	code: number | null;
	stdout: string;
	stderr: string;
}

/** A broker process that a test started by hand. */
export class HandStarted {
	readonly child: ChildProcess;
	stdout = "";
	stderr = "";

	constructor(args: readonly string[], options: RunOptions) {
		const { entry = programUnderTest(), cwd, env, uid } = options;
		const command = /\.c?[jt]s$/.test(entry)
			? [process.execPath, entry]
			: [entry];
		// As another user the test runner's own hooks, which come that way, fail at the end.
		if (uid !== undefined) command.unshift("env", "-u", "NODE_OPTIONS");
		const [program = entry, ...first] = command;
		this.child = spawn(program, [...first, ...args], {
			cwd: cwd ?? projectRoot,
			env: { PATH: process.env.PATH ?? "", ...env },
			stdio: ["ignore", "pipe", "pipe"],
			...(uid === undefined ? {} : { uid, gid: uid }),
		});
		this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
			this.stdout += text;
		});
		this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
			this.stderr += text;
		});
	}

	get hasEnded(): boolean {
		return this.child.exitCode !== null || this.child.signalCode !== null;
	}

	get pid(): number {
		return this.child.pid ?? 0;
	}

	/** Waits for the line that says the broker is ready; returns the port of its first TCP listener. */
	async ready(): Promise<number> {
		await until(
			() => this.hasEnded || / is ready;/.test(this.stderr),
			"the broker is ready",
			20_000,
		);
		const port = /listening on mqtt:\/\/[^\s]+:(\d+)/.exec(this.stderr)?.[1];
		if (this.hasEnded || port === undefined) {
			throw new Error(`the broker did not start:\n${this.stderr}`);
		}
		return Number(port);
	}

	/** Waits for the end by itself. */
	async ended(waitMs = patienceMs): Promise<Ended> {
		if (!this.hasEnded) {
			const late = setTimeout(() => this.child.kill("SIGKILL"), waitMs);
			await once(this.child, "close");
			clearTimeout(late);
		}
		const { stdout, stderr } = this;
		return { code: this.child.exitCode, stdout, stderr };
	}
}

/** Starts the broker; it ends with the test at the latest. */
export function startByHand(
	t: TearDown,
	args: readonly string[],
	options: RunOptions = {},
): HandStarted {
	const broker = new HandStarted(args, options);
	t.teardown(async () => {
		broker.child.kill("SIGKILL");
		await broker.ended();
	});
	return broker;
}

/** Runs the broker until it ends by itself; one that does not is killed, its code is null. */
export function runBroker(
	t: TearDown,
	args: readonly string[],
	options: RunOptions = {},
): Promise<Ended> {
	return startByHand(t, args, options).ended();
}

function programUnderTest(): string {
	return resolve(projectRoot, process.env.TEST_BUNDLE || sources);
}
