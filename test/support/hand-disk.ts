import type { Clock } from "../../src/platform/clock.ts";
import { StoreClient } from "../../src/store/store-client.ts";
import { StoreEngine } from "../../src/store/store-engine.ts";
import type {
	EngineRequest,
	Opened,
	WorkerLike,
	WorkerReply,
	WorkerRequest,
} from "../../src/store/worker-messages.ts";
import type { WriteRule } from "../../src/store/write-rules.ts";

/**
 * The real store with a worker that works when the test says so, on a database in
 * memory that outlives it: what was not committed when power is lost is gone, and so is
 * every answer that was not delivered.
 */

export interface HandDiskOptions {
	readonly clock: Clock;
	readonly commitIntervalMs: number;
	readonly lazyIntervalMs: number;
	readonly writeRules?: readonly WriteRule[];
}

type Listener = (reply: WorkerReply) => void;

export class HandDisk {
	store: StoreClient;
	readonly #options: HandDiskOptions;
	readonly #engine: StoreEngine;
	readonly #steps: (() => void)[] = [];
	#deliver: Listener = () => {};
	#endWorker: () => void = () => {};
	#opened: Opened | null = null;
	#isHeld = false;
	#trouble = "";
	readonly #broken: EngineRequest[] = [];
	#isScheduled = false;

	constructor(options: HandDiskOptions) {
		this.#options = options;
		this.#engine = new StoreEngine((reply) => this.#onReply(reply));
		this.store = this.#newStore();
	}

	/** From now on nothing is committed, read or answered by itself. */
	hold(): void {
		this.#isHeld = true;
	}

	/** The worker holds what it is to commit, and says so, as for a disk that is full. */
	breakDisk(words = "the disk is full"): void {
		this.#trouble = words;
	}

	/** What it holds is committed. */
	mendDisk(): void {
		this.#trouble = "";
		const held = this.#broken.splice(0);
		if (held.length === 0) return;
		for (const request of held) this.#engine.handle(request);
		this.#onReply({ type: "trouble", words: "" });
	}

	/** The worker takes the next request, or the store its next answer; false when none waits. */
	stepNow(): boolean {
		const step = this.#steps.shift();
		step?.();
		return step !== undefined;
	}

	/** Power is lost and comes back; the gate is open again. */
	restart(): StoreClient {
		this.#endWorker();
		this.#steps.length = 0;
		this.#isHeld = false;
		this.#trouble = "";
		this.#broken.length = 0;
		this.store = this.#newStore();
		return this.store;
	}

	/** Everything that waits, and from now on everything at once. */
	release(): void {
		this.#isHeld = false;
		this.#schedule();
	}

	#newStore(): StoreClient {
		return new StoreClient({
			...this.#options,
			path: ":memory:",
			onFatal: (error) => {
				throw error;
			},
			onTrouble: (words) => {
				if (words !== "" && this.#trouble === "") throw new Error(words);
			},
			workerFactory: () => this.#newWorker(),
		});
	}

	#newWorker(): WorkerLike {
		let isAlive = true;
		this.#deliver = () => {};
		this.#endWorker = () => {
			isAlive = false;
		};
		return {
			postMessage: (request) => {
				if (isAlive) this.#enter(() => this.#handle(request));
			},
			on: (event: string, listener: unknown) => {
				if (event === "message") this.#deliver = listener as Listener;
			},
			terminate: async () => {
				isAlive = false;
			},
		};
	}

	#handle(request: WorkerRequest): void {
		if (request.type === "close") this.#answer(request.id, null);
		else if (request.type === "open" && this.#opened !== null)
			this.#answer(request.id, this.#opened);
		else if (this.#trouble !== "" && request.type === "commit") {
			this.#broken.push(request);
			this.#onReply({ type: "trouble", words: this.#trouble });
		} else if (isForEngine(request)) this.#engine.handle(request);
	}

	#answer(id: number, answer: Opened | null): void {
		this.#onReply({ type: "answer", id, answer });
	}

	#onReply(reply: WorkerReply): void {
		if (reply.type === "committed") {
			const { retainedMessages, retainedBytes } = reply;
			this.#opened = {
				notice: "",
				retainedMessages,
				retainedBytes,
				earlierBytes: 0,
				isLeft: false,
			};
		}
		const deliver = this.#deliver;
		this.#enter(() => deliver(reply));
	}

	#enter(step: () => void): void {
		this.#steps.push(step);
		this.#schedule();
	}

	#schedule(): void {
		if (this.#isScheduled) return;
		this.#isScheduled = true;
		setImmediate(() => {
			this.#isScheduled = false;
			if (!this.#isHeld && this.stepNow()) this.#schedule();
		});
	}
}

function isForEngine(request: WorkerRequest): request is EngineRequest {
	return !["watch", "tool", "collect"].includes(request.type);
}
