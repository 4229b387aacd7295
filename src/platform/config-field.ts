/**
 * One row of the configuration table. The core and every extension describe their
 * keys in this form; compose.ts joins the fragments, and the parser, `broker.conf`,
 * the man page, `--check-config` and `config show` all follow from the one table.
 *
 * Pure types, apart from {@link defineFragment}, which only keeps literal types.
 */

/**
 * How a value is written, and what it becomes:
 *
 * - `flag`: `on` or `off` (also true/false, yes/no); boolean
 * - `integer`: a whole number
 * - `duration`: a number with ms, s, min (or m), h, d, w, y; milliseconds
 * - `seconds`: written like a duration; whole seconds
 * - `size`: a number with B, KB, MB, GB (1 KB = 1024 bytes); bytes
 * - `choice`: one of `values`
 * - `list`: several of `values` (or any words without `values`), separated by commas
 * - `addresses`: `host:port` pairs separated by commas
 * - `text`: anything
 * - `path`: a file or folder; made absolute against the working directory
 */
export type FieldType =
	| "flag"
	| "integer"
	| "duration"
	| "seconds"
	| "size"
	| "choice"
	| "list"
	| "addresses"
	| "text"
	| "path";

/** `active` acts; `later` is known and does not act yet; `ignored` has no meaning on a single node. */
export type FieldStatus = "active" | "later" | "ignored";

/** A value as the program sees it. "No limit" and "never" are Infinity. */
export type ConfigValue = boolean | number | string | readonly string[];

export interface FieldSpec {
	/**
	 * The full key, in lower case. `<name>` stands for one part of a key and `<...>` for one or
	 * more: `bridge.<name>.address`, `leveldb.<...>`. `<filter>` stands for a topic filter, with
	 * whatever characters it has, dots included; a word follows it. Keys with a placeholder
	 * have no default; each key that is set appears under its own name.
	 */
	readonly key: string;
	readonly type: FieldType;
	/** As it would be written in the file; empty for "nothing". */
	readonly default: string;
	/** What a bare number means, for durations: `s` when absent. For others, words for the manual. */
	readonly unit?: string;
	/** Inclusive, in the unit the program sees (milliseconds, bytes). */
	readonly min?: number;
	/** Inclusive, in the unit the program sees (milliseconds, bytes). */
	readonly max?: number;
	/** The allowed words of a `choice` or `list`. */
	readonly values?: readonly string[];
	/** Other spellings and the value they stand for. */
	readonly aliases?: Readonly<Record<string, string>>;
	/** Spellings that mean Infinity ("no limit", "never", "off"), the preferred one first. */
	readonly noLimit?: readonly string[];
	/** In this duration `m` means a month of 30 days, as in VerneMQ; elsewhere it is a minute. */
	readonly monthly?: boolean;
	/** Can change while the broker runs. */
	readonly runtime: boolean;
	/** A change at run time is seen by connections made (or packets decoded) afterwards only. */
	readonly newConnectionsOnly?: boolean;
	/** `active` when absent. */
	readonly status?: FieldStatus;
	/** For `later` and `ignored`: what is said to somebody who sets the key. */
	readonly why?: string;
	/** A whole line that shows the use of a key with a placeholder. */
	readonly example?: string;
	/** Never shown. */
	readonly secret?: boolean;
	/**
	 * The key also exists for one transport and for one listener, where it wins:
	 * `listener.K`, `listener.tcp.K`, `listener.tcp.NAME.K`. These are its transports.
	 */
	readonly transports?: readonly string[];
	/** One paragraph for the manual, in whole sentences. */
	readonly doc: string;
}

/** Keys that belong together: one chapter of `broker.conf`. */
export interface SchemaFragment {
	readonly title: string;
	readonly intro?: string;
	readonly fields: readonly FieldSpec[];
}

/** The type of one field's value. */
export type FieldValue<F extends FieldSpec> = F["type"] extends "flag"
	? boolean
	: F["type"] extends "integer" | "duration" | "seconds" | "size"
		? number
		: F["type"] extends "choice"
			? F["values"] extends readonly (infer V)[]
				? V
				: string
			: F["type"] extends "list" | "addresses"
				? readonly string[]
				: string;

/** The settings object that a list of fields gives: one property per active key. */
export type SettingsOf<Fields extends readonly FieldSpec[]> = {
	-readonly [F in Fields[number] as F extends
		| { readonly status: "later" | "ignored" }
		| { readonly transports: readonly string[] }
		| { readonly key: `${string}<${string}` }
		? never
		: F["key"]]: FieldValue<F>;
};

/**
 * Declares a fragment and keeps the literal types of its keys.
 *
 * @example
 * export const bridgeFields = defineFragment({ title: "Bridge", fields: [{ key: "bridge.retry", ... }] });
 * type BridgeSettings = SettingsOf<typeof bridgeFields.fields>;
 */
export function defineFragment<
	const Fields extends readonly FieldSpec[],
>(fragment: {
	readonly title: string;
	readonly intro?: string;
	readonly fields: Fields;
}): {
	readonly title: string;
	readonly intro?: string;
	readonly fields: Fields;
} {
	return fragment;
}
