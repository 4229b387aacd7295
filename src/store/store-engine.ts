import { backUpInWords } from "./backup.ts";
import { readOperation } from "./batch-codec.ts";
import { ByteReader, ByteWriter } from "./byte-writer.ts";
import { closeState } from "./close-state.ts";
import { describeTrouble, mayPass } from "./commit-trouble.ts";
import {
	errorCode,
	isDamage,
	noteDamage,
	UnusableFile,
} from "./damage-signs.ts";
import { limitFile } from "./database.ts";
import { makeRoom } from "./make-room.ts";
import { type OpenState, openState } from "./open-state.ts";
import { StoreRefusal } from "./store-refusal.ts";
import { beginWalk, type RetainedWalk } from "./tables/retained.ts";
import { Touched } from "./touched.ts";
import type {
	Answer,
	CommitRequest,
	EngineRequest,
	OpenRequest,
	ReadRequest,
	WorkerReply,
} from "./worker-messages.ts";

/**
 * The worker's side of the store: takes requests in order, commits batches, answers
 * reads. Owns the database. A batch that the disk refuses is kept, with all behind it,
 * and tried again; errors of any other kind are thrown and end the worker.
 */

const RETRY_MS = 1000;
/** How long a walk over retained messages may hold up a batch. */
const SLICE_MS = 5;
const KEEP_PAGE_BYTES = 256 * 1024;

type Post = (reply: WorkerReply, transfer?: ArrayBuffer[]) => void;
type RetainedRequest = ReadRequest & { type: "retained" };

export class StoreEngine {
	readonly #post: Post;
	#open: OpenState | null = null;
	/** Batches that could not be committed yet, in order. */
	#held: CommitRequest[] = [];
	/** Reads that have to see what is held. */
	#waiting: ReadRequest[] = [];
	readonly #touched = new Touched();
	#troubleCode = "";
	#retryTimer: NodeJS.Timeout | null = null;
	readonly #page = new ByteWriter();

	constructor(post: Post) {
		this.#post = post;
	}

	handle(request: EngineRequest): void {
		switch (request.type) {
			case "open":
				this.#handleOpen(request);
				break;
			case "commit":
				if (this.#held.length > 0) this.#hold(request);
				else this.#commit(request);
				break;
			case "limit":
				this.#state.maxBytes = request.maxBytes;
				limitFile(this.#state.database, request.maxBytes);
				this.#retry();
				break;
			case "close":
				this.#handleClose(request.id);
				break;
			case "barrier":
				this.#answer(request.id, null);
				break;
			case "backup":
				void this.#answerLater(
					request.id,
					backUpInWords(this.#state.database, request.target),
				);
				break;
			case "save":
				void this.#answerLater(
					request.id,
					this.#state.saving?.save() ?? Promise.resolve(null),
				);
				break;
			default:
				if (this.#touched.concerns(request)) this.#waiting.push(request);
				else this.#tryRead(request);
		}
	}

	/** The worker ends by this error: what it says about the file must not be forgotten. */
	noteDeath(error: unknown): void {
		if (this.#open === null || !isDamage(error)) return;
		const { path } = this.#open;
		if (path !== ":memory:") noteDamage(path, (error as Error).message);
	}

	get #state(): OpenState {
		if (this.#open === null) throw new Error("the store is not open");
		return this.#open;
	}

	#handleOpen(request: OpenRequest): void {
		try {
			const { state, opened } = openState(request, (trouble) =>
				this.#post({ type: "synced", trouble }),
			);
			this.#open = state;
			this.#answer(request.id, opened);
		} catch (error) {
			const { message: words } = error as Error;
			const kind = error instanceof StoreRefusal ? error.kind : "unusable";
			this.#post({ type: "refusal", id: request.id, words, kind });
		}
	}

	/** @returns false when the batch is held */
	#commit(request: CommitRequest): boolean {
		const { database, tables, checkpoint, sync, odometer, saving } =
			this.#state;
		try {
			odometer.begin();
			database.exec("BEGIN IMMEDIATE");
			tables.begin();
			const reader = new ByteReader(request.memory, 0, request.length);
			while (!reader.isAtEnd) {
				const operation = readOperation(reader);
				odometer.note(operation);
				tables.apply(operation);
			}
			tables.finish();
			odometer.finish();
			database.exec("COMMIT");
		} catch (error) {
			tables.rolledBack();
			if (database.inTransaction) database.exec("ROLLBACK");
			if (!mayPass(error)) throw error;
			this.#hold(request);
			this.#tellTrouble(error);
			return false;
		}
		tables.retained.committed();
		odometer.committed();
		saving?.committed();
		this.#answerCommit(request);
		sync.afterCommit();
		checkpoint.afterCommit();
		return true;
	}

	#answerCommit({ batch, memory }: CommitRequest): void {
		const { tables, odometer } = this.#state;
		const { messages, bytes } = tables.retained.totals;
		this.#post(
			{
				type: "committed",
				batch,
				memory,
				retainedMessages: messages,
				retainedBytes: bytes,
				pages: odometer.pages,
				replaced: tables.queue.replaced,
			},
			[memory],
		);
	}

	#hold(request: CommitRequest): void {
		if (this.#held.includes(request)) return;
		this.#held.push(request);
		this.#touched.add(request);
		if (this.#retryTimer !== null) return;
		this.#retryTimer = setTimeout(() => this.#retry(), RETRY_MS);
	}

	#retry(): void {
		if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
		this.#retryTimer = null;
		if (this.#held.length === 0) return;
		const held = this.#held;
		if (!this.#makeRoom(held)) {
			this.#retryTimer = setTimeout(() => this.#retry(), RETRY_MS);
			return;
		}
		this.#held = [];
		this.#touched.clear();
		for (const [index, request] of held.entries()) {
			if (this.#commit(request)) continue;
			for (const later of held.slice(index + 1)) this.#hold(later);
			return;
		}
		this.#troubleCode = "";
		this.#post({ type: "trouble", words: "" });
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const request of waiting) this.#tryRead(request);
	}

	/** @returns false while what is held cannot be written for certain */
	#makeRoom(held: readonly CommitRequest[]): boolean {
		if (!this.#troubleCode.startsWith("SQLITE_FULL")) return true;
		const { database, tables, ballast, saving } = this.#state;
		saving?.committed();
		return makeRoom(database, tables, ballast, held);
	}

	#tellTrouble(error: unknown): void {
		const code = errorCode(error);
		if (code === this.#troubleCode) return;
		this.#troubleCode = code;
		const { path, maxBytes } = this.#state;
		const words = describeTrouble(error, path, maxBytes);
		this.#post({ type: "trouble", words });
	}

	#tryRead(request: ReadRequest): void {
		try {
			this.#read(request);
		} catch (error) {
			this.#refuseRead(request, error);
		}
	}

	/** A disk that cannot be read fails that one read; a damaged file ends the worker. */
	#refuseRead({ id }: ReadRequest, error: unknown): void {
		const { path } = this.#state;
		if (errorCode(error) === "") {
			// Not SQLite's word: what it read was none of ours.
			const words = `a row cannot be read: ${(error as Error).message}`;
			throw new UnusableFile(words, { cause: error });
		}
		if (!mayPass(error)) throw error;
		const words = `cannot read ${path}: ${(error as Error).message}`;
		this.#post({ type: "refusal", id, words });
	}

	#read(request: ReadRequest): void {
		const { tables } = this.#state;
		switch (request.type) {
			case "sessions": {
				const { id, after, limit } = request;
				this.#answer(id, tables.readSessions(after, limit));
				break;
			}
			case "queue": {
				this.#page.reset(KEEP_PAGE_BYTES);
				tables.pages.write(this.#page, request);
				const page = this.#page.toBuffer();
				this.#answer(request.id, page, page.buffer);
				break;
			}
			case "value":
				this.#answer(
					request.id,
					tables.values.get(request.space, request.name),
				);
				break;
			case "retained":
				this.#walk(request, beginWalk(request), new ByteWriter());
				break;
		}
	}

	/** One slice; batches that have come meanwhile go before the next. */
	#walk(
		request: RetainedRequest,
		walk: RetainedWalk,
		writer: ByteWriter,
	): void {
		if (this.#open === null) return;
		const deadline = performance.now() + SLICE_MS;
		try {
			this.#open.tables.retained.walk(walk, writer, deadline);
		} catch (error) {
			this.#refuseRead(request, error);
			return;
		}
		if (!walk.isDone) {
			setImmediate(() => this.#walk(request, walk, writer));
			return;
		}
		const page = writer.toBuffer();
		const { position, isEnd } = walk;
		this.#answer(request.id, { page, position, isEnd }, page.buffer);
	}

	/** Batches and reads go on meanwhile. */
	async #answerLater(id: number, work: Promise<Answer>): Promise<void> {
		try {
			this.#answer(id, await work);
		} catch (error) {
			this.#post({ type: "refusal", id, words: (error as Error).message });
		}
	}

	#answer(id: number, answer: Answer, memory?: ArrayBufferLike): void {
		const transfer = memory instanceof ArrayBuffer ? [memory] : [];
		this.#post({ type: "answer", id, answer }, transfer);
	}

	/** What is in memory is saved first. */
	#handleClose(id: number): void {
		this.#retry();
		const { saving, odometer } = this.#state;
		if (saving === null) {
			this.#close(id, "");
			return;
		}
		odometer.saveLast();
		saving.save().then(
			() => this.#close(id, ""),
			({ message }: Error) => this.#close(id, message),
		);
	}

	/** @param unsaved why the state is in memory only, in words; empty when it is not */
	#close(id: number, unsaved: string): void {
		const state = this.#state;
		if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
		this.#open = null;
		const words = closeState(state, this.#held.length, unsaved);
		if (words === "") this.#answer(id, null);
		else this.#post({ type: "refusal", id, words });
	}
}
