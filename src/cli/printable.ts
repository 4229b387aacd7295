/** A client chooses its id: control characters must not reach the terminal. */
export function printable(text: string): string {
	return text.replaceAll(/\p{C}/gu, (char) =>
		JSON.stringify(char).slice(1, -1),
	);
}
