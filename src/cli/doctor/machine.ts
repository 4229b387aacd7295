/**
 * How the checks look at the machine: each look has a time limit, never throws, and
 * changes nothing. Tests put recorded answers in its place.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { open, readdir, readFile, stat, statfs } from "node:fs/promises";
import { networkInterfaces, totalmem, userInfo } from "node:os";
import { basename } from "node:path";
import {
	type ListeningSocket,
	type PortHolder,
	processOfSocket,
} from "../../transport/port-holder.ts";
import { mayHang, mountOf, parseMounts } from "./mount-table.ts";

/** Why nothing was seen. */
export type Unseen = "missing" | "forbidden" | "late" | "failed";

export type Seen<T> =
	| { readonly value: T; readonly why: null }
	| { readonly value: null; readonly why: Unseen };

export interface FileFacts {
	readonly kind: "file" | "folder" | "socket" | "other";
	readonly uid: number;
	readonly gid: number;
	/** Permission bits only. */
	readonly mode: number;
	readonly bytes: number;
	readonly modifiedMs: number;
}

export interface SpaceFacts {
	/** For those who are not root. */
	readonly freeBytes: number;
	readonly totalBytes: number;
	readonly freeInodes: number;
	/** 0 where the file system makes them as needed. */
	readonly inodes: number;
}

export interface Machine {
	/** Of whoever asks. */
	readonly uid: number;
	readonly userName: string;
	readonly ramBytes: number;
	wallMs(): number;
	/** Addresses that this machine has now. */
	addresses(): readonly string[];
	/** At most the first 64 KB. */
	text(path: string): Promise<Seen<string>>;
	/** The first bytes of a file. */
	head(path: string, bytes: number): Promise<Seen<Buffer>>;
	names(folder: string): Promise<Seen<readonly string[]>>;
	file(path: string): Promise<Seen<FileFacts>>;
	space(path: string): Promise<Seen<SpaceFacts>>;
	/** What a program writes to standard output; `failed` for an exit code other than 0. */
	run(program: string, ...args: string[]): Promise<Seen<string>>;
	processOf(socket: ListeningSocket): Promise<PortHolder | null>;
}

const LOOK_MS = 2000;
const MOST_TEXT_BYTES = 64 * 1024;
const MOST_OUTPUT_BYTES = 4 * 1024 * 1024;

export class RealMachine implements Machine {
	readonly uid = process.geteuid?.() ?? 0;
	readonly userName = nameOfUser(this.uid);
	readonly ramBytes = totalmem();
	/** By mount point: whether a file system that may hang has answered. */
	readonly #answers = new Map<string, Promise<boolean>>();

	wallMs(): number {
		return Date.now();
	}

	addresses(): readonly string[] {
		return Object.values(networkInterfaces()).flatMap((list) =>
			(list ?? []).map(({ address }) => address),
		);
	}

	async text(path: string): Promise<Seen<string>> {
		const seen = await this.head(path, MOST_TEXT_BYTES);
		return seen.value === null
			? seen
			: { value: seen.value.toString("utf8"), why: null };
	}

	head(path: string, bytes: number): Promise<Seen<Buffer>> {
		return this.#lookAt(path, async () => {
			// A pipe would wait for its writer.
			const flags = constants.O_RDONLY | constants.O_NONBLOCK;
			const handle = await open(path, flags);
			try {
				const parts: Buffer[] = [];
				for (let left = bytes; left > 0; ) {
					// Files of /proc give a page at a time.
					const part = Buffer.alloc(left);
					const { bytesRead } = await handle.read(part, 0, left, null);
					if (bytesRead === 0) break;
					parts.push(part.subarray(0, bytesRead));
					left -= bytesRead;
				}
				return Buffer.concat(parts);
			} finally {
				await handle.close();
			}
		});
	}

	names(folder: string): Promise<Seen<readonly string[]>> {
		return this.#lookAt(folder, () => readdir(folder));
	}

	file(path: string): Promise<Seen<FileFacts>> {
		return this.#lookAt(path, async () => {
			const stats = await stat(path);
			const kind = stats.isDirectory()
				? ("folder" as const)
				: stats.isFile()
					? ("file" as const)
					: stats.isSocket()
						? ("socket" as const)
						: ("other" as const);
			const { uid, gid, size, mtimeMs } = stats;
			const mode = stats.mode & 0o7777;
			return { kind, uid, gid, mode, bytes: size, modifiedMs: mtimeMs };
		});
	}

	space(path: string): Promise<Seen<SpaceFacts>> {
		return this.#lookAt(path, async () => {
			const { bavail, blocks, bsize, ffree, files } = await statfs(path);
			return {
				freeBytes: bavail * bsize,
				totalBytes: blocks * bsize,
				freeInodes: ffree,
				inodes: files,
			};
		});
	}

	run(program: string, ...args: string[]): Promise<Seen<string>> {
		return new Promise((resolve) => {
			const child = execFile(
				program,
				args,
				{
					timeout: LOOK_MS,
					killSignal: "SIGKILL",
					maxBuffer: MOST_OUTPUT_BYTES,
					env: {
						...process.env,
						LC_ALL: "C",
						SYSTEMD_PAGER: "",
						PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin:/opt/vc/bin`,
					},
				},
				(error, stdout) => {
					if (error === null) resolve({ value: stdout, why: null });
					else if (error.killed) resolve({ value: null, why: "late" });
					else resolve({ value: null, why: whyOf(error) });
				},
			);
			child.stdin?.end();
		});
	}

	/** A thread that waits for a dead server keeps the process from ending; a child is killed. */
	async #lookAt<T>(path: string, work: () => Promise<T>): Promise<Seen<T>> {
		const table = await look(() => readFile("/proc/self/mountinfo", "utf8"));
		const mount = mountOf(parseMounts(table.value ?? ""), path);
		if (mount === null || !mayHang(mount)) return look(work);
		const { point } = mount;
		const answer =
			this.#answers.get(point) ??
			this.run("ls", "-d", `${point}/.`).then(({ why }) => why !== "late");
		this.#answers.set(point, answer);
		return (await answer) ? look(work) : { value: null, why: "late" };
	}

	async processOf(socket: ListeningSocket): Promise<PortHolder | null> {
		const holder = (await look(() => processOfSocket(socket))).value;
		if (!holder?.program.endsWith("MainThread")) return holder;
		// Node names its threads; the command line has the program.
		const { value } = await this.text(`/proc/${holder.pid}/cmdline`);
		const program = basename((value ?? "").split("\0")[0] ?? "");
		return { ...holder, program: program || holder.program };
	}
}

/** What is late goes on by itself; nobody waits for it. */
export async function look<T>(work: () => Promise<T>): Promise<Seen<T>> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<Seen<T>>((resolve) => {
		timer = setTimeout(() => resolve({ value: null, why: "late" }), LOOK_MS);
	});
	const done = work().then(
		(value): Seen<T> => ({ value, why: null }),
		(error): Seen<T> => ({ value: null, why: whyOf(error) }),
	);
	try {
		return await Promise.race([done, late]);
	} finally {
		clearTimeout(timer);
	}
}

function whyOf(error: unknown): Unseen {
	switch ((error as NodeJS.ErrnoException).code) {
		case "ENOENT":
		case "ENOTDIR":
			return "missing";
		case "EACCES":
		case "EPERM":
			return "forbidden";
		default:
			return "failed";
	}
}

function nameOfUser(uid: number): string {
	try {
		return userInfo().username;
	} catch {
		return String(uid); // a user without a name
	}
}
