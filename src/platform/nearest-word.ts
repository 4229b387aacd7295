/** The candidate that was probably meant by a misspelt word; null when none is near. */
export function nearestWord(
	word: string,
	candidates: readonly string[],
): string | null {
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
