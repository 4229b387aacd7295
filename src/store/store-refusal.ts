/**
 * Why a store could not be opened: another broker has it, a newer one wrote it, or the
 * folder, the disk or the file cannot be used.
 */
export type RefusalKind = "rival" | "newer" | "unusable";

/** The store cannot be opened; the message names the file and says what to do. */
export class StoreRefusal extends Error {
	readonly kind: RefusalKind;

	constructor(kind: RefusalKind, words: string, options?: ErrorOptions) {
		super(words, options);
		this.kind = kind;
	}
}
