/** Text as roff takes it: nothing in it is a macro or an escape. */
export function roff(text: string): string {
	return text
		.replaceAll("\\", "\\e")
		.replaceAll("-", "\\-")
		.replaceAll("`", "")
		.replace(/^(?=[.'])/gm, "\\&");
}
