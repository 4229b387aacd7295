/**
 * Finds the row of the table for a key as it was written: keys with placeholders,
 * the three levels of listener options, and the nearest key to one that is unknown.
 * Built once from the fragments; immutable afterwards.
 */
import type { FieldSpec, SchemaFragment } from "../platform/config-field.ts";
import { nearestWord } from "../platform/nearest-word.ts";
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
			const option = nearestWord(listener.option, options);
			if (option !== null) return prefix + option;
		}
		const concrete = this.fields.filter((field) => !hasPlaceholder(field));
		return nearestWord(
			lower,
			concrete.map((field) => field.key),
		);
	}

	/** The option that was probably meant where a listener's name stands. */
	misspeltOption(key: string): string | null {
		const listener = this.listenerKey(key);
		if (listener === null || listener.name === null) return null;
		const option = nearestWord(listener.name, [
			...this.#listenerOptions.keys(),
		]);
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
