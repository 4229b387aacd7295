/** Puts a file of configuration into its place, and takes it away again when it turns out not to fit. */
import { existsSync, statSync } from "node:fs";
import {
	chown,
	copyFile,
	mkdtemp,
	rename,
	rm,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import {
	ConfigError,
	type LoadedConfig,
	type LoadOptions,
	loadConfig,
} from "../../config/config.ts";
import { CommandFailure } from "../../platform/command.ts";
import { writeWhole } from "../write-file.ts";

const FILE_MODE = 0o640;
const MAIN_FILE = "/etc/broker/broker.conf";

/** Next to what the broker reads, where it reads it too; else in the working folder. */
export function defaultOutput({ file }: LoadOptions): string {
	const folder = join(dirname(file ?? MAIN_FILE), "conf.d");
	return existsSync(folder) ? join(folder, "mosquitto.conf") : "broker.conf";
}

/**
 * Checks a text as `broker --check-config` does, on its own.
 * @throws ConfigError
 */
export async function checkText(
	text: string,
	options: LoadOptions,
): Promise<LoadedConfig> {
	const folder = await mkdtemp(join(tmpdir(), "broker-import-"));
	try {
		const file = join(folder, "broker.conf");
		await writeFile(file, text, { mode: 0o600 });
		return loadConfig({ ...options, file, sets: [] });
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

export interface PlacedConfig {
	/** Where the file is that was there before; null when there was none. */
	readonly old: string | null;
	/** As it was before. */
	undo(): Promise<void>;
}

/**
 * @param options of the broker that will read it among its other files
 * @throws CommandFailure when it does not fit to those; nothing has changed then
 */
export async function placeConfig(
	file: string,
	text: string,
	options: LoadOptions,
): Promise<PlacedConfig> {
	const old = existsSync(file) ? freeName(file) : null;
	if (old !== null) await copyFile(file, old);
	const undo = async () => {
		if (old === null) await rm(file, { force: true });
		else await rename(old, file);
	};
	const bytes = Buffer.from(text);
	await writeWhole(file, Readable.from([bytes]), bytes.length, FILE_MODE);
	try {
		await giveToGroup(file);
		loadConfig(options);
	} catch (error) {
		await undo();
		if (!(error instanceof ConfigError)) throw error;
		throw new CommandFailure(
			`together with the configuration that is there it would not be valid, and was taken away again:\n${error.message}`,
		);
	}
	return { old, undo };
}

/** A broker that does not run as root reads it by its group, as the rest of the folder. */
async function giveToGroup(file: string): Promise<void> {
	if (process.geteuid?.() !== 0) return;
	const { gid } = statSync(
		existsSync(MAIN_FILE) && file.startsWith(dirname(MAIN_FILE))
			? MAIN_FILE
			: dirname(file),
	);
	await chown(file, 0, gid);
}

/** Not ending in .conf, or it would be read as well. */
function freeName(file: string): string {
	let name = `${file}.old`;
	for (let count = 2; existsSync(name); count++) name = `${file}.old-${count}`;
	return name;
}
