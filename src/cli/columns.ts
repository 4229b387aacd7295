/** Text for a terminal of 80 columns. Pure. */

const WIDTH = 80;
const INDENT = 2;
const GAP = 2;
/** Longer than this, what stands on the left has a line of its own. */
const WIDEST_LEFT = 28;

/**
 * Broken between words into lines that each end with a newline. A word that is too long
 * keeps a line of its own.
 * @param hang spaces before every line but the first
 */
export function wrapped(
	text: string,
	{ width = WIDTH, hang = 0 }: { width?: number; hang?: number } = {},
): string {
	const lines: string[] = [];
	let line = "";
	for (const word of text.split(/ +/)) {
		const longer = line === "" ? word : `${line} ${word}`;
		if (longer.length <= width || line.trim() === "") {
			line = longer;
			continue;
		}
		lines.push(line);
		line = " ".repeat(hang) + word;
	}
	return [...lines, line].map((each) => `${each}\n`).join("");
}

/** Two columns, the right one wrapped. */
export function columns(rows: readonly (readonly [string, string])[]): string {
	const lengths = rows.map(([left]) => left.length);
	const short = lengths.filter((length) => length <= WIDEST_LEFT);
	const leftWidth = Math.max(0, ...short);
	const column = INDENT + leftWidth + GAP;
	return rows
		.map(([left, right]) => {
			const head = " ".repeat(INDENT) + left;
			const text = wrapped(right, { width: WIDTH - column }).replaceAll(
				/^(?=.)/gm,
				" ".repeat(column),
			);
			return left.length > leftWidth
				? `${head}\n${text}`
				: head.padEnd(column) + text.slice(column);
		})
		.join("");
}
