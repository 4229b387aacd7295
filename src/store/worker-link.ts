import { StoreRefusal } from "./store-refusal.ts";
import type {
	Answer,
	BackupRequest,
	BarrierRequest,
	CloseRequest,
	CommittedReply,
	Notice,
	OpenRequest,
	ReadRequest,
	SaveRequest,
	ToolRequest,
	WorkerLike,
	WorkerReply,
} from "./worker-messages.ts";
import type { WriteBatch } from "./write-batch.ts";

/**
 * The main thread's end of the conversation with the worker: numbers requests and
 * batches, keeps what has not been answered, and keeps buffers for reuse.
 */

/** Buffers kept for the next batches: more than two are never on their way for long. */
const SPARE_BUFFERS = 2;
const LARGEST_SPARE_BYTES = 1024 * 1024;

export interface LinkEvents {
	committed(batch: WriteBatch, reply: CommittedReply): void;
	/** Empty words when well again. */
	trouble(words: string): void;
	/** Empty words when all that was committed is on the medium. */
	synced(trouble: string): void;
	/** Once; nothing works any more. */
	died(error: Error): void;
}

type Unnumbered<R> = R extends { id: number } ? Omit<R, "id"> : never;
export type AnyRequest = Unnumbered<
	| ReadRequest
	| OpenRequest
	| CloseRequest
	| BarrierRequest
	| BackupRequest
	| SaveRequest
	| ToolRequest
>;

interface Waiter {
	resolve(answer: Answer): void;
	reject(error: Error): void;
}

export class WorkerLink {
	/** Batches sent and not answered yet, in order. */
	readonly inFlight: WriteBatch[] = [];
	readonly #worker: WorkerLike;
	readonly #events: LinkEvents;
	readonly #waiters = new Map<number, Waiter>();
	readonly #spare: ArrayBuffer[] = [];
	#lastId = 0;
	#lastBatch = 0;
	#isOver = false;

	constructor(worker: WorkerLike, events: LinkEvents) {
		this.#worker = worker;
		this.#events = events;
		worker.on("message", (reply) => this.#handle(reply));
		worker.on("error", (error) => this.#die(error));
		worker.on("exit", (code) =>
			this.#die(new Error(`the thread ended with code ${code}`)),
		);
	}

	ask(request: AnyRequest): Promise<Answer> {
		if (this.#isOver) return Promise.reject(new Error("the store is closed"));
		const id = ++this.#lastId;
		return new Promise((resolve, reject) => {
			this.#waiters.set(id, { resolve, reject });
			this.#worker.postMessage({ ...request, id });
		});
	}

	send(batch: WriteBatch): void {
		if (this.#isOver) return;
		const writer = batch.encode(this.#spare.pop() ?? null);
		const memory = writer.take();
		this.inFlight.push(batch);
		this.#worker.postMessage(
			{
				type: "commit",
				batch: ++this.#lastBatch,
				memory,
				length: writer.length,
			},
			[memory],
		);
	}

	tell(notice: Notice): void {
		if (!this.#isOver) this.#worker.postMessage(notice);
	}

	async end(): Promise<void> {
		this.#isOver = true;
		await this.#worker.terminate();
	}

	#handle(reply: WorkerReply): void {
		switch (reply.type) {
			case "committed":
				this.#handleCommitted(reply);
				break;
			case "trouble":
				this.#events.trouble(reply.words);
				break;
			case "synced":
				this.#events.synced(reply.trouble);
				break;
			case "answer":
				this.#takeWaiter(reply.id)?.resolve(reply.answer);
				break;
			case "refusal":
				this.#takeWaiter(reply.id)?.reject(
					reply.kind === undefined
						? new Error(reply.words)
						: new StoreRefusal(reply.kind, reply.words),
				);
				break;
		}
	}

	#handleCommitted(reply: CommittedReply): void {
		const { memory } = reply;
		if (
			this.#spare.length < SPARE_BUFFERS &&
			memory.byteLength > 0 &&
			memory.byteLength <= LARGEST_SPARE_BYTES
		)
			this.#spare.push(memory);
		const batch = this.inFlight.shift();
		if (batch !== undefined) this.#events.committed(batch, reply);
	}

	#takeWaiter(id: number): Waiter | undefined {
		const waiter = this.#waiters.get(id);
		this.#waiters.delete(id);
		return waiter;
	}

	#die(error: Error): void {
		if (this.#isOver) return;
		this.#isOver = true;
		const words = `the store's worker thread died: ${error.message}`;
		this.#events.died(new Error(words, { cause: error }));
		for (const waiter of this.#waiters.values())
			waiter.reject(new Error(words));
		this.#waiters.clear();
	}
}
