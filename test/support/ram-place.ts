/**
 * A data_dir and a folder in memory, as far as a store knows, for tests of
 * `state = ram+checkpoint`.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { startStoreWorker } from "../../src/store/start-worker.ts";
import type { StoreClient } from "../../src/store/store-client.ts";
import type { WorkerLike } from "../../src/store/worker-messages.ts";
import { damagedStore } from "./damaged-state.ts";
import {
	committed,
	message,
	retainedTopics,
	session,
} from "./store-fixtures.ts";

const isRoot = process.geteuid?.() === 0;

export interface Place {
	/** In memory, as far as the store knows. */
	readonly ram: string;
	/** In data_dir. */
	readonly disk: string;
}

export function placeIn(t: Test): Place {
	const folder = t.testdir({ ram: {}, data: {} });
	return {
		ram: join(folder, "ram", "state", "broker.db"),
		disk: join(folder, "data", "broker.db"),
	};
}

export async function open(
	{ ram, disk }: Place,
	notices: string[] = [],
): Promise<StoreClient> {
	const store = damagedStore(ram, {
		checkpoint: disk,
		onNotice: (words) => notices.push(words),
	});
	await store.open();
	return store;
}

export async function keep(
	store: StoreClient,
	...topics: string[]
): Promise<void> {
	for (const topic of topics) store.putRetained(message(topic), 0, false, null);
	await committed(store);
}

/** The memory of the machine is gone. */
export function cutPower({ ram }: Place): void {
	rmSync(join(ram, ".."), { recursive: true, force: true });
}

/** A store whose worker can be ended in the middle of everything. */
export async function openToKill({ ram, disk }: Place) {
	let worker: WorkerLike | null = null;
	const store = damagedStore(ram, {
		checkpoint: disk,
		workerFactory: () => {
			worker = startStoreWorker();
			return worker;
		},
	});
	await store.open();
	return { store, kill: async () => void (await worker?.terminate()) };
}

export async function fill(path: string, ...topics: string[]): Promise<void> {
	const store = damagedStore(path);
	await store.open();
	store.putSession(session(1), null);
	await keep(store, ...topics);
	await store.close();
}

export async function topicsIn(path: string): Promise<string[]> {
	const store = damagedStore(path);
	await store.open();
	const topics = await retainedTopics(store, "#");
	await store.close();
	return topics;
}

/** As state = disk finds them. */
export function topicsOnDisk({ disk }: Place): Promise<string[]> {
	return topicsIn(disk);
}

export function listing({ disk }: Place): string[] {
	return readdirSync(join(disk, "..")).filter((name) => name !== "ballast");
}

/** Nobody can write to data_dir: root neither, whom permissions do not stop. */
export function lock(t: Test, place: Place): void {
	const folder = join(place.disk, "..");
	t.teardown(() => unlock(place));
	if (isRoot) {
		execFileSync("mount", ["--bind", folder, folder]);
		execFileSync("mount", ["-o", "remount,bind,ro", folder]);
	} else chmodSync(folder, 0o555);
}

export function unlock({ disk }: Place): void {
	const folder = join(disk, "..");
	if (isRoot) spawnSync("umount", [folder], { stdio: "ignore" });
	else chmodSync(folder, 0o755);
}

/** The files of data_dir, kept elsewhere. */
export function copyOf({ disk }: Place): string {
	const copy = `${join(disk, "..")}.copy`;
	cpSync(join(disk, ".."), copy, { recursive: true });
	return copy;
}

export function restore({ disk }: Place, copy: string): void {
	rmSync(join(disk, ".."), { recursive: true });
	renameSync(copy, join(disk, ".."));
}
