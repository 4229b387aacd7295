/**
 * Sessions whose clients are away, as rows of numbers and texts outside V8's heap: about
 * 75 bytes and the client id each, where a Session object takes four times as much. What
 * else such a session has is in the store, or with its subscriptions.
 * Owned by the registry; a sleeper is the number of its row.
 */
import { HashIndex, hashText } from "../platform/hash-index.ts";
import { IntRows } from "../platform/int-rows.ts";
import { TextStore } from "../platform/text-store.ts";

/** What is kept of a session that sleeps. */
export interface SleepingState {
	readonly key: number;
	readonly clientId: string;
	readonly username: string | null;
	readonly expirySeconds: number;
	readonly disconnectedAtMs: number;
	/** Monotonic ms; Infinity for never. */
	readonly endsAtMs: number;
	readonly lastSequence: number;
	readonly queuedMessages: number;
	readonly queuedBytes: number;
}

/** Fields of a row. */
const SUBSCRIPTIONS = 0;
/** Never 0. */
const KEY = 1;
const PLACE = 2;
const WORD = 3;
const USER_PLACE = 4;
/** 0 for no user name. */
const USER_WORD = 5;
const EXPIRY = 6;
const QUEUED_MESSAGES = 7;
const FIRST_SUBSCRIPTION = 8;
/** Monotonic, in seconds; 0 for never. */
const ENDS_AT = 9;
/** Two fields each. */
const QUEUED_BYTES = 10;
const LAST_SEQUENCE = 12;
const DISCONNECTED_AT = 14;
const FIELDS = 16;

/** A row and its places in the index; texts come on top. */
const ROW_BYTES = 4 * FIELDS + 10;

export class SleepingSessions {
	/** Those that end some day. */
	mortals = 0;
	readonly #rows = new IntRows(FIELDS);
	readonly #texts = new TextStore();
	readonly #index = new HashIndex((row) =>
		this.#texts.hash(this.#rows.get(row, PLACE), this.#rows.get(row, WORD), 0),
	);

	get size(): number {
		return this.#rows.size;
	}

	/** No sleeper has a higher number. */
	get last(): number {
		return this.#rows.lastRow;
	}

	/** @returns 0 when no such session sleeps */
	find(clientId: string): number {
		const hash = hashText(clientId, 0, clientId.length, 0);
		const index = this.#index;
		for (let slot = index.first(hash); ; slot = index.next(slot)) {
			const row = index.rowAt(slot);
			if (row === 0) return 0;
			if (this.#hasId(row, clientId)) return row;
		}
	}

	/** Makes room for a session; {@link write} follows. */
	add(clientId: string, username: string | null): number {
		const row = this.#rows.allocate();
		const word = TextStore.wordOf(clientId);
		this.#rows.set(row, WORD, word);
		this.#rows.set(row, PLACE, this.#texts.add(clientId, word));
		if (username !== null) {
			const userWord = TextStore.wordOf(username);
			this.#rows.set(row, USER_WORD, userWord);
			this.#rows.set(row, USER_PLACE, this.#texts.add(username, userWord));
		}
		this.#index.add(row);
		return row;
	}

	/** Everything but client id and user name, which stay as they are. */
	write(row: number, state: Omit<SleepingState, "clientId" | "username">) {
		const rows = this.#rows;
		this.#countMortal(row, -1);
		rows.set(row, KEY, state.key);
		rows.set(row, EXPIRY, state.expirySeconds);
		rows.set(row, QUEUED_MESSAGES, state.queuedMessages);
		rows.setDouble(row, QUEUED_BYTES, state.queuedBytes);
		rows.setDouble(row, LAST_SEQUENCE, state.lastSequence);
		rows.setDouble(row, DISCONNECTED_AT, state.disconnectedAtMs);
		const isMortal = state.endsAtMs !== Number.POSITIVE_INFINITY;
		rows.set(
			row,
			ENDS_AT,
			isMortal ? Math.ceil(state.endsAtMs / 1000) || 1 : 0,
		);
		this.#countMortal(row, 1);
	}

	read(row: number): SleepingState {
		const rows = this.#rows;
		const userWord = rows.get(row, USER_WORD);
		return {
			key: rows.get(row, KEY),
			clientId: this.#texts.read(rows.get(row, PLACE), rows.get(row, WORD)),
			username:
				userWord === 0
					? null
					: this.#texts.read(rows.get(row, USER_PLACE), userWord),
			expirySeconds: rows.get(row, EXPIRY) >>> 0,
			disconnectedAtMs: rows.getDouble(row, DISCONNECTED_AT),
			endsAtMs: this.endsAtMs(row),
			lastSequence: rows.getDouble(row, LAST_SEQUENCE),
			queuedMessages: rows.get(row, QUEUED_MESSAGES),
			queuedBytes: rows.getDouble(row, QUEUED_BYTES),
		};
	}

	remove(row: number): void {
		const rows = this.#rows;
		this.#countMortal(row, -1);
		this.#index.remove(row);
		this.#texts.release(rows.get(row, WORD));
		const userWord = rows.get(row, USER_WORD);
		if (userWord !== 0) this.#texts.release(userWord);
		rows.free(row);
		if (this.#texts.isMostlyGarbage) this.#compactTexts();
	}

	/** False for numbers that nobody has. */
	isSleeper(row: number): boolean {
		return this.#rows.peek(row, KEY) !== 0;
	}

	firstSubscription(row: number): number {
		return this.#rows.get(row, FIRST_SUBSCRIPTION);
	}

	/** How many it has. */
	subscriptions(row: number): number {
		return this.#rows.get(row, SUBSCRIPTIONS);
	}

	setSubscriptions(row: number, count: number, first: number): void {
		this.#rows.set(row, SUBSCRIPTIONS, count);
		this.#rows.set(row, FIRST_SUBSCRIPTION, first);
	}

	/** Monotonic ms, up to a second late; Infinity for never. */
	endsAtMs(row: number): number {
		const seconds = this.#rows.get(row, ENDS_AT);
		return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000;
	}

	/** What it costs in memory. */
	bytes(row: number): number {
		return (
			ROW_BYTES +
			(this.#rows.get(row, WORD) >>> 2) +
			(this.#rows.get(row, USER_WORD) >>> 2)
		);
	}

	#hasId(row: number, clientId: string): boolean {
		const place = this.#rows.get(row, PLACE);
		const word = this.#rows.get(row, WORD);
		return this.#texts.equals(place, word, clientId, 0, clientId.length);
	}

	#countMortal(row: number, by: number): void {
		if (!this.isSleeper(row)) return;
		if (this.endsAtMs(row) !== Number.POSITIVE_INFINITY) this.mortals += by;
	}

	#compactTexts(): void {
		const rows = this.#rows;
		this.#texts.compact((move) => {
			for (let row = 1; row <= rows.lastRow; row++) {
				if (rows.peek(row, KEY) === 0) continue;
				const place = rows.get(row, PLACE);
				rows.set(row, PLACE, move(place, rows.get(row, WORD)));
				const userWord = rows.get(row, USER_WORD);
				if (userWord === 0) continue;
				const userPlace = rows.get(row, USER_PLACE);
				rows.set(row, USER_PLACE, move(userPlace, userWord));
			}
		});
	}
}
