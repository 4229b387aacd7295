import type { Clock } from "../platform/clock.ts";
import { findSqliteAddon } from "./sqlite-addon.ts";
import { startStoreWorker } from "./start-worker.ts";
import { WorkerLink } from "./worker-link.ts";
import type {
	StateCheck,
	StateDescription,
	ToolRequest,
} from "./worker-messages.ts";

/**
 * The state of a broker that does not run, or a copy of it, for whoever looks at it: a
 * worker thread of its own. Main thread only. All methods throw StoreRefusal in words
 * that name the file, for example when a broker has it open.
 */
export class StateWorker {
	readonly #clock: Clock;
	readonly #path: string;
	readonly #isSynced: boolean;
	readonly #link: WorkerLink;

	/**
	 * @param path of the database
	 * @param isSynced it was written with `durability = strict`
	 */
	constructor(clock: Clock, path: string, isSynced: boolean) {
		this.#clock = clock;
		this.#path = path;
		this.#isSynced = isSynced;
		this.#link = new WorkerLink(startStoreWorker(), {
			committed: () => {},
			trouble: () => {},
			synced: () => {},
			// What was asked for fails with the same words.
			died: () => {},
		});
	}

	async describe(): Promise<StateDescription> {
		return (await this.#ask("describe")) as StateDescription;
	}

	async check(): Promise<StateCheck> {
		return (await this.#ask("check")) as StateCheck;
	}

	/** From here to {@link release} the file is complete by itself and does not change. */
	async hold(): Promise<void> {
		await this.#ask("hold");
	}

	async release(): Promise<void> {
		await this.#ask("release");
	}

	/**
	 * Makes a copy of a backup the state; what was there is kept.
	 * @param source next to the database; gone afterwards, whatever happens
	 * @returns where the state before is; null when there was none
	 */
	async restore(source: string): Promise<string | null> {
		return (await this.#ask("restore", source)) as string | null;
	}

	/** Moves the state away. @returns where it is; null when there was none */
	async reset(): Promise<string | null> {
		return (await this.#ask("reset")) as string | null;
	}

	end(): Promise<void> {
		return this.#link.end();
	}

	#ask(tool: ToolRequest["tool"], source = ""): Promise<unknown> {
		return this.#link.ask({
			type: "tool",
			tool,
			path: this.#path,
			source,
			isSynced: this.#isSynced,
			nativeBinding: findSqliteAddon(),
			wallMs: this.#clock.wallMs(),
		});
	}
}
