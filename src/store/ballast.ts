import { randomBytes } from "node:crypto";
import {
	closeSync,
	openSync,
	rmSync,
	statfsSync,
	statSync,
	writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

/**
 * A file that only takes up room next to the database: removed when the disk is full, so
 * that what frees space can be written, and made again when there is room. Worker thread
 * only.
 */

const CHUNK_BYTES = 64 * 1024;
/** How often it is looked whether there is room for it again. */
const LOOK_MS = 60_000;

export class Ballast {
	readonly #path: string;
	readonly #bytes: number;
	#timer: NodeJS.Timeout | null = null;
	/** It was given away, and what it made room for must not be used for anything else. */
	isOwed = false;

	/**
	 * @param bytes 0 for none
	 * @param delayMs after the start, so that it does not compete with it
	 */
	constructor(databasePath: string, bytes: number, delayMs: number) {
		this.#path = join(dirname(databasePath), "ballast");
		this.#bytes = bytes;
		if (bytes > 0) this.#look(delayMs);
	}

	/** @returns false when there was none */
	release(): boolean {
		if (this.#bytes === 0 || !this.#isPresent) return false;
		rmSync(this.#path, { force: true });
		this.isOwed = true;
		return true;
	}

	/** Makes it when it is missing and leaves room for as much again. */
	restore(): void {
		if (this.#bytes === 0) return;
		if (!this.#isPresent && this.freeBytes > 2 * this.#bytes) this.#write();
		if (this.#isPresent) this.isOwed = false;
	}

	stop(): void {
		if (this.#timer !== null) clearTimeout(this.#timer);
		this.#timer = null;
	}

	/** On its disk, for this user; Infinity when the system does not tell. */
	get freeBytes(): number {
		try {
			const disk = statfsSync(dirname(this.#path));
			return disk.bavail * disk.bsize;
		} catch {
			return Number.POSITIVE_INFINITY;
		}
	}

	get #isPresent(): boolean {
		const stat = statSync(this.#path, { throwIfNoEntry: false });
		return stat?.size === this.#bytes;
	}

	#look(delayMs: number): void {
		this.#timer = setTimeout(() => {
			this.restore();
			this.#look(LOOK_MS);
		}, delayMs);
		this.#timer.unref();
	}

	#write(): void {
		try {
			// Noise: a file system that compresses would keep no room for zeros.
			const chunk = randomBytes(CHUNK_BYTES);
			const file = openSync(this.#path, "w", 0o600);
			try {
				for (let left = this.#bytes; left > 0; )
					left -= writeSync(file, chunk, 0, Math.min(left, CHUNK_BYTES));
			} finally {
				closeSync(file);
			}
		} catch {
			rmSync(this.#path, { force: true });
		}
	}
}
