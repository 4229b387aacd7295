/**
 * None, one or several values in one field: nearly every filter has a single
 * subscriber, which is held without a list around it. Values are compared by identity
 * and keep the order in which they were added.
 */

class Several<T> extends Set<T> {}

export type Held<T> = T | Several<T> | undefined;

export function holds<T>(held: Held<T>, value: T): boolean {
	return held instanceof Several ? held.has(value) : held === value;
}

export function withValue<T>(held: Held<T>, value: T): Held<T> {
	if (held === undefined) return value;
	if (held instanceof Several) return held.add(value);
	return new Several<T>().add(held).add(value);
}

export function withoutValue<T>(held: Held<T>, value: T): Held<T> {
	if (!(held instanceof Several)) return undefined;
	held.delete(value);
	if (held.size > 1) return held;
	for (const only of held) return only;
	return undefined;
}

export function append<T>(held: Held<T>, into: T[]): void {
	if (held === undefined) return;
	if (held instanceof Several) for (const value of held) into.push(value);
	else into.push(held);
}
