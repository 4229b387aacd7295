/** The routes of `broker state`: what is in the database, a copy of it, a check. */
import { randomUUID } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import {
	AdminDownload,
	AdminRefusal,
	type AdminRoute,
	type BrokerApi,
} from "../../broker/broker-api.ts";

const LARGEST = 5;
/** A backup that nobody fetches is given up. */
const FETCH_MS = 60_000;

export function stateRoutes(broker: BrokerApi): AdminRoute[] {
	const copies = new Copies();
	return [
		{
			method: "GET",
			path: "/state",
			summary: "what is in the database",
			handle: () => describe(broker),
		},
		{
			method: "POST",
			path: "/state/check",
			summary: "check a copy of the database, while everything goes on",
			isLong: true,
			handle: async () => ({ problems: await broker.stateCopy.check() }),
		},
		{
			method: "POST",
			path: "/state/checkpoint",
			summary: "state = ram+checkpoint: save the state to data_dir now",
			isLong: true,
			handle: () => broker.stateCopy.saveCheckpoint(),
		},
		{
			method: "POST",
			path: "/state/backup",
			summary: "make a copy of the database; fetch it within a minute",
			isLong: true,
			handle: async () => copies.add(await broker.stateCopy.open()),
		},
		{
			method: "GET",
			path: "/state/backup/:id",
			summary: "the bytes of a copy, once",
			handle: ({ parameters }) => copies.take(parameters.id ?? ""),
		},
	];
}

async function describe(broker: BrokerApi): Promise<unknown> {
	const { counters, store, subscriptions, dataDir, pid } = broker.status;
	const { total, sessions } = await broker.listSessions(LARGEST, null);
	const file = await broker.stateCopy.file();
	return {
		pid,
		path: file?.path ?? null,
		dataDir,
		format: file?.format ?? 0,
		bytes: file?.bytes ?? 0,
		logBytes: file?.logBytes ?? 0,
		sessions: total,
		subscriptions,
		queuedMessages: counters.queuedMessages,
		queuedBytes: counters.queuedBytes,
		retainedMessages: store.retainedMessages,
		retainedBytes: store.retainedBytes,
		largest: sessions
			.filter(({ queuedMessages }) => queuedMessages > 0)
			.map(({ clientId, queuedMessages, queuedBytes }) => ({
				clientId,
				queuedMessages,
				queuedBytes,
			})),
	};
}

/** Files without a name that wait to be fetched. */
class Copies {
	readonly #waiting = new Map<string, FileHandle>();

	async add(file: FileHandle): Promise<{ id: string; bytes: number }> {
		const id = randomUUID();
		const { size } = await file.stat();
		this.#waiting.set(id, file);
		setTimeout(() => {
			if (this.#waiting.delete(id)) void file.close();
		}, FETCH_MS).unref();
		return { id, bytes: size };
	}

	async take(id: string): Promise<AdminDownload> {
		const file = this.#waiting.get(id);
		this.#waiting.delete(id);
		if (file === undefined)
			throw new AdminRefusal(
				404,
				"there is no such backup, or it was not fetched in time",
			);
		const { size } = await file.stat();
		return new AdminDownload(file.createReadStream(), size);
	}
}
