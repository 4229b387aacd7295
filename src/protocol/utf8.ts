/**
 * UTF-8 as MQTT allows it: well-formed, without surrogates and without U+0000.
 * U+FEFF and the noncharacters are allowed and kept as they are. [MQTT-1.5.4-3]
 */

/** True when the bytes are a valid UTF-8 Encoded String. [MQTT-1.5.4-1] [MQTT-1.5.4-2] */
export function isValidUtf8(
	buffer: Buffer,
	start: number,
	end: number,
): boolean {
	for (let at = start; at < end; at++) {
		const byte = buffer[at] as number;
		if (byte >= 0x80) return isValidMultibyte(buffer, at, end);
		if (byte === 0) return false;
	}
	return true;
}

function isContinuation(buffer: Buffer, at: number): boolean {
	return ((buffer[at] as number) & 0xc0) === 0x80;
}

/** The general form, from the first byte on that is not ASCII. */
function isValidMultibyte(buffer: Buffer, at: number, end: number): boolean {
	while (at < end) {
		const lead = buffer[at] as number;
		if (lead < 0x80) {
			if (lead === 0) return false;
			at += 1;
		} else if (lead < 0xc2) {
			return false; // a continuation byte, or an overlong form of ASCII
		} else if (lead < 0xe0) {
			if (at + 2 > end || !isContinuation(buffer, at + 1)) return false;
			at += 2;
		} else if (lead < 0xf0) {
			if (at + 3 > end || !isValidThree(buffer, at, lead)) return false;
			at += 3;
		} else {
			if (at + 4 > end || !isValidFour(buffer, at, lead)) return false;
			at += 4;
		}
	}
	return true;
}

function isValidThree(buffer: Buffer, at: number, lead: number): boolean {
	if (!isContinuation(buffer, at + 1) || !isContinuation(buffer, at + 2))
		return false;
	const second = buffer[at + 1] as number;
	if (lead === 0xe0) return second >= 0xa0; // shorter forms exist below
	return lead !== 0xed || second < 0xa0; // U+D800 to U+DFFF are surrogates
}

function isValidFour(buffer: Buffer, at: number, lead: number): boolean {
	if (
		lead > 0xf4 ||
		!isContinuation(buffer, at + 1) ||
		!isContinuation(buffer, at + 2) ||
		!isContinuation(buffer, at + 3)
	)
		return false;
	const second = buffer[at + 1] as number;
	if (lead === 0xf0) return second >= 0x90; // shorter forms exist below
	return lead !== 0xf4 || second < 0x90; // U+10FFFF is the last one
}
