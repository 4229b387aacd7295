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

/** `0x87`. */
export function inHex(code: number): string {
	return `0x${code.toString(16).padStart(2, "0")}`;
}

/** Codes of MQTT 3.1.1 and 5 for a user that is unknown or not let in. */
const DENIED: readonly number[] = [4, 5, 0x86, 0x87];

/** What a CONNACK that says no says. */
export function connackWords(code: number): string {
	const hint = DENIED.includes(code)
		? ", it wants a username and password: see --credentials"
		: "";
	return `CONNACK ${inHex(code)}${hint}`;
}
