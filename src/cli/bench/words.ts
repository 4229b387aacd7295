/** Figures as a person reads them. Pure. */

/** `850 us`, `3.2 ms`, `1.5 s`. */
export function micros(value: number): string {
	if (value < 10) return `${value.toFixed(2)} us`;
	if (value < 1000) return `${Math.round(value)} us`;
	if (value < 1e6) return `${short(value / 1000)} ms`;
	return `${short(value / 1e6)} s`;
}

/** `120,345/s`. */
export function perSecond(value: number): string {
	return `${Math.round(value).toLocaleString("en-GB")}/s`;
}

/** `98 %`. */
export function percent(share: number): string {
	return `${Math.round(share * 100)} %`;
}

function short(value: number): string {
	return value < 10 ? value.toFixed(1) : String(Math.round(value));
}
