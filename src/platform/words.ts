/** Numbers as a person reads them. Pure. */

/** `3.2 MB`; 1 MB is 1024 KB, as in the configuration. */
export function inBytes(bytes: number): string {
	if (!Number.isFinite(bytes)) return "unlimited";
	const units = ["B", "KB", "MB", "GB", "TB"];
	let value = bytes;
	let unit = 0;
	while (value >= 1024 && unit < units.length - 1) {
		value /= 1024;
		unit++;
	}
	return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** The two largest units: `3 d 4 h`, `12 s`, `250 ms`. */
export function inTime(ms: number): string {
	if (!Number.isFinite(ms)) return "never";
	if (ms < 1000) return `${Math.round(ms)} ms`;
	const seconds = Math.floor(ms / 1000);
	const parts = [
		`${Math.floor(seconds / 86_400)} d`,
		`${Math.floor(seconds / 3600) % 24} h`,
		`${Math.floor(seconds / 60) % 60} min`,
		`${seconds % 60} s`,
	];
	const first = parts.findIndex((part) => !part.startsWith("0 "));
	return parts
		.slice(first, first + 2)
		.filter((part) => !part.startsWith("0 "))
		.join(" ");
}

/** `1,204 messages`, `1 message`. */
export function plural(count: number, word: string): string {
	const number = count.toLocaleString("en-GB");
	return `${number} ${word}${count === 1 ? "" : "s"}`;
}
