/** Makes a backup the state of a broker that does not run. */
import { existsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { CommandFailure } from "../platform/command.ts";
import type { StateFolder } from "./state-folder.ts";
import { refuseWithoutRoom, writeWhole } from "./write-file.ts";

const FILE_MODE = 0o640;

/**
 * @param file read with the rights of the caller; a log beside it is part of it
 * @returns where the state before is; null when there was none
 * @throws CommandFailure; the state is as it was then
 */
export async function restoreState(
	folder: StateFolder,
	file: string,
): Promise<string | null> {
	if (file === folder.path)
		throw new CommandFailure(`${file} is the state itself, not a backup`);
	const parts = await openParts(file);
	try {
		await folder.make();
		return await folder.work(async (worker) => {
			const copy = `${folder.path}.restoring`;
			const sizes = await Promise.all(
				parts.map(async ({ source }) => (await source.stat()).size),
			);
			const bytes = sizes.reduce((sum, size) => sum + size, 0);
			await refuseWithoutRoom(folder.folder, bytes);
			for (const [index, { suffix, source }] of parts.entries()) {
				const stream = source.createReadStream({ start: 0, autoClose: false });
				const size = sizes[index] ?? 0;
				await writeWhole(copy + suffix, stream, size, FILE_MODE);
			}
			try {
				return await worker.restore(copy);
			} catch (error) {
				const { message } = error as Error;
				throw new CommandFailure(
					`cannot restore ${file}: ${message.replaceAll(copy, file)}`,
				);
			}
		});
	} finally {
		for (const { source } of parts) await source.close();
	}
}

interface Part {
	readonly suffix: string;
	readonly source: FileHandle;
}

/** The file, and its log when it was copied or set aside with one. */
async function openParts(file: string): Promise<Part[]> {
	try {
		const parts = [{ suffix: "", source: await open(file) }];
		const log = `${file}-wal`;
		if (existsSync(log))
			parts.push({ suffix: "-wal", source: await open(log) });
		return parts;
	} catch (error) {
		throw new CommandFailure(
			`cannot read ${file}: ${(error as Error).message}`,
		);
	}
}
