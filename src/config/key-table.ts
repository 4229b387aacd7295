/**
 * Finds the row of the table for a key as it was written: keys with placeholders,
 * the three levels of listener options, and the nearest key to one that is unknown.
 * Built once from the fragments; immutable afterwards.
 */
import type { FieldSpec, SchemaFragment } from "../platform/config-field.ts";
import { allTransports } from "./schema-listeners.ts";

/** What a listener key is about: an option at one of three levels, or an address. */
export interface ListenerKey {
	readonly transport: string | null;
	readonly name: string | null;
	/** Null for the address of a listener. */
	readonly option: string | null;
}

export class KeyTable {
	readonly fragments: readonly SchemaFragment[];
	/** Every row, in the order of the manual. */
	readonly fields: readonly FieldSpec[];
	readonly #exact = new Map<string, FieldSpec>();
	readonly #patterns: Array<{ pattern: RegExp; field: FieldSpec }> = [];
	readonly #listenerOptions = new Map<string, FieldSpec>();

	/** @throws Error when two fragments declare one key: a mistake in the program */
	constructor(fragments: readonly SchemaFragment[]) {
		this.fragments = fragments;
		this.fields = fragments.flatMap((fragment) => fragment.fields);
		for (const field of this.fields) {
			if (this.#exact.has(field.key)) {
				throw new Error(`the key ${field.key} is declared twice`);
			}
			this.#exact.set(field.key, field);
			if (field.transports !== undefined) {
				this.#listenerOptions.set(field.key.slice("listener.".length), field);
			} else if (hasPlaceholder(field)) {
				this.#patterns.push({ pattern: patternOf(field.key), field });
			}
		}
	}

	/** The options that every listener has, by their short names. */
	get listenerOptions(): ReadonlyMap<string, FieldSpec> {
		return this.#listenerOptions;
	}

	/** The row for a key, or null when it is unknown. */
	find(key: string): FieldSpec | null {
		const exact = this.#exact.get(key);
		if (exact !== undefined) return hasPlaceholder(exact) ? null : exact;
		const listener = this.listenerKey(key);
		if (listener !== null) {
			if (listener.option === null) return this.#addressField(listener);
			const option = this.#listenerOptions.get(listener.option);
			const { transport } = listener;
			return option === undefined ||
				(transport !== null && !option.transports?.includes(transport))
				? null
				: option;
		}
		const found = this.#patterns.find(({ pattern }) => pattern.test(key));
		return found === undefined ? null : found.field;
	}

	/**
	 * Takes a key of an MQTT listener apart; null for any other key. A part that is
	 * the name of an option is the option: no listener can be called `backlog`.
	 */
	listenerKey(key: string): ListenerKey | null {
		const [root, transport, name, option, ...more] = key.split(".");
		if (root !== "listener" || transport === undefined) return null;
		if (!(allTransports as readonly string[]).includes(transport)) {
			if (name !== undefined) return null;
			return { transport: null, name: null, option: transport };
		}
		if (name === undefined || more.length > 0) return null;
		if (!/^[\w-]+$/.test(name)) return null;
		if (option !== undefined) return { transport, name, option };
		return this.#listenerOptions.has(name)
			? { transport, name: null, option: name }
			: { transport, name, option: null };
	}

	/** The known key that looks most like an unknown one; null when none does. */
	nearest(key: string): string | null {
		const lower = key.toLowerCase();
		const listener = this.listenerKey(lower);
		if (listener?.option != null) {
			const prefix = lower.slice(0, -listener.option.length);
			const options = [...this.#listenerOptions.keys()].filter(
				(option) => this.find(prefix + option) !== null,
			);
			const option = closest(listener.option, options);
			if (option !== null) return prefix + option;
		}
		const concrete = this.fields.filter((field) => !hasPlaceholder(field));
		return closest(
			lower,
			concrete.map((field) => field.key),
		);
	}

	/** The option that was probably meant where a listener's name stands. */
	misspeltOption(key: string): string | null {
		const listener = this.listenerKey(key);
		if (listener === null || listener.name === null) return null;
		const option = closest(listener.name, [...this.#listenerOptions.keys()]);
		return option === null ? null : `listener.${listener.transport}.${option}`;
	}

	#addressField(listener: ListenerKey): FieldSpec | null {
		return this.#exact.get(`listener.${listener.transport}.<name>`) ?? null;
	}
}

/** The key stands for many: `bridge.<name>.address`. */
export function hasPlaceholder(field: FieldSpec): boolean {
	return field.key.includes("<");
}

function patternOf(key: string): RegExp {
	const source = key
		.split(/(<[^>]+>)/)
		.map((part) => {
			if (part === "<...>") return "[\\w.-]+";
			if (part === "<filter>") return ".+";
			return part.startsWith("<") ? "[\\w-]+" : part.replaceAll(".", "\\.");
		})
		.join("");
	return new RegExp(`^${source}$`);
}

function closest(word: string, candidates: readonly string[]): string | null {
	// A third of the letters wrong is still the same word, more is another one.
	let least = Math.max(2, Math.floor(word.length / 3));
	let best: string | null = null;
	for (const candidate of candidates) {
		if (Math.abs(candidate.length - word.length) > least) continue;
		const distance = editDistance(word, candidate);
		if (distance < least || (distance === least && best === null)) {
			least = distance;
			best = candidate;
		}
	}
	return best;
}

/** Letters to insert, delete, change or swap with their neighbour to get from a to b. */
export function editDistance(a: string, b: string): number {
	let beforeLast: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, column) => column);
	for (let row = 1; row <= a.length; row++) {
		const current = [row];
		for (let column = 1; column <= b.length; column++) {
			const same = a[row - 1] === b[column - 1];
			let cost = Math.min(
				(last[column] ?? 0) + 1,
				(current[column - 1] ?? 0) + 1,
				(last[column - 1] ?? 0) + (same ? 0 : 1),
			);
			const swapped =
				row > 1 &&
				column > 1 &&
				a[row - 1] === b[column - 2] &&
				a[row - 2] === b[column - 1];
			if (swapped) cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
			current.push(cost);
		}
		beforeLast = last;
		last = current;
	}
	return last[b.length] ?? 0;
}
