/** Where the levels of a topic filter are. Pure; filters have been checked. */

const HASH_SIGN = 0x23;
const SLASH = 0x2f;

export function endsWithHash(filter: string): boolean {
	const last = filter.length - 1;
	return (
		filter.charCodeAt(last) === HASH_SIGN &&
		(last === 0 || filter.charCodeAt(last - 1) === SLASH)
	);
}

/** Where the levels that have nodes end; -1 for the filter `#`, which has none. */
export function lengthWithoutHash(filter: string): number {
	return endsWithHash(filter) ? filter.length - 2 : filter.length;
}

export function endOfLevel(text: string, from: number): number {
	const slash = text.indexOf("/", from);
	return slash === -1 ? text.length : slash;
}
