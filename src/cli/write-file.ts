/** Writes a file that is there as a whole or not at all. */
import { existsSync } from "node:fs";
import { open, rename, rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { CommandFailure } from "../platform/command.ts";
import { inBytes } from "../platform/words.ts";

/** @throws CommandFailure when it may not be written, before anything is asked for */
export function refuseExisting(file: string, force: boolean): void {
	if (!existsSync(dirname(file)))
		throw new CommandFailure(`there is no folder ${dirname(file)}`);
	if (existsSync(file) && !force)
		throw new CommandFailure(
			`${file} exists: name another file, or add --force to replace it`,
		);
}

/**
 * Under another name first, synced, then renamed.
 * @param bytes that `source` has
 * @param mode of the file: what is in it concerns its owner only
 * @throws CommandFailure in words; `file` is as it was then
 */
export async function writeWhole(
	file: string,
	source: Readable,
	bytes: number,
	mode = 0o600,
): Promise<void> {
	const part = `${file}.part-${process.pid}`;
	try {
		await refuseWithoutRoom(dirname(file), bytes);
		const target = await open(part, "wx", mode);
		try {
			let written = 0;
			for await (const chunk of source) {
				await target.writeFile(chunk);
				written += chunk.length;
			}
			if (written !== bytes)
				throw new Error(`${written} of ${bytes} bytes have come`);
			await target.sync();
		} finally {
			await target.close();
		}
		await rename(part, file);
		await syncFolder(dirname(file));
	} catch (error) {
		source.destroy();
		await rm(part, { force: true }).catch(() => {});
		if (error instanceof CommandFailure) throw error;
		throw new CommandFailure(
			`cannot write ${file}: ${(error as Error).message}`,
		);
	}
}

export async function refuseWithoutRoom(
	folder: string,
	bytes: number,
): Promise<void> {
	const disk = await statfs(folder);
	const freeBytes = disk.bavail * disk.bsize;
	if (freeBytes > bytes) return;
	throw new CommandFailure(
		`there is no room in ${folder}: it takes ${inBytes(bytes)}, and ${inBytes(freeBytes)} are free`,
	);
}

async function syncFolder(folder: string): Promise<void> {
	const handle = await open(folder, "r");
	try {
		await handle.sync();
	} finally {
		await handle.close();
	}
}
