/**
 * A disk as a power cut could have left it: what had been flushed is there, of what was
 * written later nothing or a random part. Goes forward through a write log; needs no mount,
 * as e2fsck replays the file system's journal (and takes that back) and debugfs reads files.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
	closeSync,
	mkdirSync,
	openSync,
	readSync,
	rmSync,
	writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { Random } from "../soak/random.ts";
import type { DiskLog, DiskWrite } from "./disk-log.ts";

const SECTOR_BYTES = 512;
/** e2fsck: 0 nothing to do, 1 done. */
const FSCK_DONE = 1;

export class DiskImage {
	readonly #log: DiskLog;
	readonly #path: string;
	readonly #file: number;
	/** Writes that are in the image. */
	#applied = 0;
	#undo: { at: number; bytes: Buffer }[] = [];

	/**
	 * @param start the image as it was when the log began
	 * @param path where a copy may be made and changed
	 */
	constructor(log: DiskLog, start: string, path: string) {
		this.#log = log;
		this.#path = path;
		execFileSync("cp", ["--sparse=always", start, path]);
		this.#file = openSync(path, "r+");
	}

	close(): void {
		closeSync(this.#file);
		rmSync(this.#path, { force: true });
	}

	/** The disk as of a flush; not before an earlier one. */
	moveTo(flush: number): void {
		const { writes, flushes } = this.#log;
		const end = flushes[flush] ?? 0;
		for (; this.#applied < end; this.#applied++) {
			const write = writes[this.#applied];
			if (write !== undefined) this.#write(write.at, this.#dataOf(write));
		}
	}

	/** Of what was written before the next flush some is there, some not, some in part. */
	tear(flush: number, random: Random): void {
		const { writes, flushes } = this.#log;
		for (const write of writes.slice(this.#applied, flushes[flush + 1])) {
			const kind = random.next();
			if (kind >= 0.6) continue;
			const data = this.#dataOf(write);
			for (let from = 0; from < data.length; from += SECTOR_BYTES) {
				if (kind >= 0.45 && random.chance(0.5)) continue;
				const sector = data.subarray(from, from + SECTOR_BYTES);
				const at = write.at + from;
				const before = Buffer.alloc(sector.length);
				readSync(this.#file, before, 0, before.length, at);
				this.#undo.push({ at, bytes: before });
				this.#write(at, sector);
			}
		}
	}

	/** Takes back what {@link tear} did. */
	mend(): void {
		for (const { at, bytes } of this.#undo.reverse()) this.#write(at, bytes);
		this.#undo = [];
	}

	/** Copies a folder of the disk, its journal replayed, ininto a folder here. @returns where it is */
	extract(folder: string, target: string): string {
		const undo = `${this.#path}.undo`;
		rmSync(undo, { force: true });
		const fsck = ["-y", "-E", "journal_only", "-z", undo, this.#path];
		const { status, stdout } = spawnSync("/sbin/e2fsck", fsck, {
			encoding: "utf8",
		});
		if (status === null || status > FSCK_DONE)
			throw new Error(`the file system is damaged: ${stdout}`);
		mkdirSync(target, { recursive: true });
		const dump = `rdump ${folder} ${target}`;
		execFileSync("/sbin/debugfs", ["-R", dump, this.#path], { stdio: "pipe" });
		spawnSync("/sbin/e2undo", [undo, this.#path]);
		return join(target, basename(folder));
	}

	#dataOf({ data, bytes }: DiskWrite): Buffer {
		const buffer = Buffer.alloc(bytes);
		readSync(this.#log.file, buffer, 0, bytes, data);
		return buffer;
	}

	#write(at: number, bytes: Buffer): void {
		writeSync(this.#file, bytes, 0, bytes.length, at);
	}
}

/** A folder in memory when there is room for an image, else on the disk. */
export function imageFolder(fallback: string): string {
	const free = spawnSync("df", ["--output=avail", "-B1M", "/dev/shm"], {
		encoding: "utf8",
	});
	const mebibytes = Number(free.stdout?.split("\n")[1]);
	return mebibytes > 4000 ? join("/dev/shm") : fallback;
}
