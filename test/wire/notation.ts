/**
 * The byte notation of the wire cases: text -> bytes, or text -> a pattern.
 *
 *   30 0A0B        hex bytes, in pairs
 *   'abc'          raw text as UTF-8; escapes \xNN (one byte), \u{N}, \' and \\
 *   s'abc'         the same with its length in two bytes before it
 *   r* | r14       Remaining Length: computed up to the end of the packet, or given
 *   v300           variable byte integer
 *   w300  W300     two-byte and four-byte integer, decimal
 *   b100*61        a byte repeated
 *   p[ .. ]        property block: length as a variable byte integer, then content
 *   p?[ .. ]       the same in MQTT 5, nothing at all in 3.x
 *   l[ .. ]        content with its length in two bytes before it
 *   @c(f, p, x)    CONNECT of the case's version: flags (02), properties, what follows the client id
 *   @c3 @c4 @c5    CONNECT of that version
 *   @i(id, f, p, x)   the same with the client id given: @i('abc')
 *   @k(0A, f, p, x)   the same with the keep alive given, two bytes
 *   @p             protocol name and level of the case's version
 *   |              separates packets in one send (where r* ends)
 *   ??  ?name      patterns only: any byte; two bytes captured at first, compared or sent later
 *
 * Owns nothing; pure functions.
 */

/** What `?name` has captured so far in one case. */
export type Captures = Map<string, Buffer>;

type Part =
	| { readonly kind: "bytes"; readonly bytes: Buffer }
	| { readonly kind: "any" }
	| { readonly kind: "capture"; readonly name: string };

export interface NotationContext {
	readonly version: 3 | 4 | 5;
	readonly clientId: string;
	/** Replaces `$T`, `$C`, `$I` in text. */
	readonly expand: (text: string) => string;
}

class NotationError extends Error {
	override readonly name = "NotationError";
}

const NUMBER = /\d+/y;
const HEX = /(?:[0-9A-Fa-f]{2})+/y;
const WORD = /[a-zA-Z]\w*/y;
const REPEAT = /(\d+)\*([0-9A-Fa-f]{2})/y;

/** Encodes a variable byte integer in as few bytes as it takes. */
function encodeVariableInteger(value: number): Buffer {
	const bytes: number[] = [];
	let rest = value;
	do {
		const digit = rest % 128;
		rest = Math.floor(rest / 128);
		bytes.push(rest > 0 ? digit | 0x80 : digit);
	} while (rest > 0);
	return Buffer.from(bytes);
}

/** Text between quotes as bytes, escapes resolved. */
function decodeText(text: string): Buffer {
	const parts: Buffer[] = [];
	for (const piece of text.split(
		/(\\x[0-9A-Fa-f]{2}|\\u\{[0-9A-Fa-f]+\}|\\.)/,
	)) {
		if (piece.startsWith("\\x")) parts.push(Buffer.from(piece.slice(2), "hex"));
		else if (piece.startsWith("\\u"))
			parts.push(
				Buffer.from(
					String.fromCodePoint(Number.parseInt(piece.slice(3, -1), 16)),
				),
			);
		else if (piece.startsWith("\\")) parts.push(Buffer.from(piece.slice(1)));
		else parts.push(Buffer.from(piece));
	}
	return Buffer.concat(parts);
}

function bytesPart(bytes: Buffer): Part {
	return { kind: "bytes", bytes };
}

function lengthOf(parts: readonly Part[]): number {
	let length = 0;
	for (const part of parts)
		length +=
			part.kind === "bytes"
				? part.bytes.length
				: part.kind === "capture"
					? 2
					: 1;
	return length;
}

function bigEndian(value: number, width: 2 | 4): Buffer {
	const bytes = Buffer.alloc(width);
	if (width === 2) bytes.writeUInt16BE(value);
	else bytes.writeUInt32BE(value);
	return bytes;
}

class Reader {
	readonly #text: string;
	readonly #context: NotationContext;
	#at = 0;

	constructor(text: string, context: NotationContext) {
		this.#text = text;
		this.#context = context;
	}

	/** Everything up to one of `terminators` (left unread) or the end. */
	sequence(terminators: string): Part[] {
		const parts: Part[] = [];
		/** Where in `parts` an r* stands whose length is still to be computed. */
		let open = -1;
		const closeLength = () => {
			if (open < 0) return;
			const length = lengthOf(parts.slice(open + 1));
			parts[open] = bytesPart(encodeVariableInteger(length));
			open = -1;
		};
		for (;;) {
			this.#skipSpace();
			const char = this.#text[this.#at];
			if (char === undefined || terminators.includes(char)) break;
			if (char === "|") {
				this.#at++;
				closeLength();
			} else if (this.#take("r*")) {
				open = parts.length;
				parts.push(bytesPart(Buffer.alloc(0)));
			} else {
				parts.push(...this.#item(char));
			}
		}
		closeLength();
		return parts;
	}

	expectEnd(): void {
		if (this.#at < this.#text.length) this.#fail("unexpected");
	}

	#item(char: string): Part[] {
		if (char === "'") return [bytesPart(this.#quoted())];
		if (this.#take("s'")) {
			this.#at--;
			return this.#prefixed([bytesPart(this.#quoted())], 2);
		}
		if (this.#take("p?[")) {
			const inner = this.#bracketed();
			return this.#context.version === 5 ? this.#prefixed(inner, 0) : [];
		}
		if (this.#take("p[")) return this.#prefixed(this.#bracketed(), 0);
		if (this.#take("l[")) return this.#prefixed(this.#bracketed(), 2);
		if (this.#take("??")) return [{ kind: "any" }];
		if (char === "?") {
			this.#at++;
			return [{ kind: "capture", name: this.#match(WORD)[0] }];
		}
		if (char === "@") return this.#macro();
		return [bytesPart(this.#plain(char))];
	}

	#plain(char: string): Buffer {
		if (char === "b" && /^b\d+\*/.test(this.#text.slice(this.#at))) {
			this.#at++;
			const [, count, byte] = this.#match(REPEAT);
			return Buffer.alloc(Number(count), Number.parseInt(byte ?? "0", 16));
		}
		if ("rvwW".includes(char)) {
			this.#at++;
			const value = Number(this.#match(NUMBER)[0]);
			if (char === "w") return bigEndian(value, 2);
			if (char === "W") return bigEndian(value, 4);
			return encodeVariableInteger(value);
		}
		return Buffer.from(this.#match(HEX)[0], "hex");
	}

	#prefixed(parts: Part[], width: 0 | 2): Part[] {
		const length = lengthOf(parts);
		const prefix =
			width === 2 ? bigEndian(length, 2) : encodeVariableInteger(length);
		return [bytesPart(prefix), ...parts];
	}

	#quoted(): Buffer {
		let end = this.#at + 1;
		while (end < this.#text.length && this.#text[end] !== "'")
			end += this.#text[end] === "\\" ? 2 : 1;
		if (end >= this.#text.length) this.#fail("text without an end");
		const raw = this.#text.slice(this.#at + 1, end);
		this.#at = end + 1;
		return decodeText(this.#context.expand(raw));
	}

	#bracketed(): Part[] {
		const parts = this.sequence("]");
		if (!this.#take("]")) this.#fail("no ] for a [");
		return parts;
	}

	#macro(): Part[] {
		this.#at++;
		const name = this.#match(WORD)[0];
		const version = { c3: 3, c4: 4, c5: 5 }[name] ?? this.#context.version;
		if (name === "p") return protocolParts(version);
		if (!/^(c[345]?|i|k)$/.test(name)) this.#fail(`unknown macro @${name}`);
		const args: Part[][] = [];
		if (this.#take("(")) {
			do args.push(this.sequence(",)"));
			while (this.#take(","));
			if (!this.#take(")")) this.#fail("no ) for a (");
		}
		const clientId =
			name === "i"
				? (args.shift() ?? [])
				: [bytesPart(Buffer.from(this.#context.clientId))];
		const keepAlive =
			name === "k" ? (args.shift() ?? []) : [bytesPart(bigEndian(600, 2))];
		return connectParts(version, clientId, keepAlive, args);
	}

	#take(token: string): boolean {
		if (!this.#text.startsWith(token, this.#at)) return false;
		this.#at += token.length;
		return true;
	}

	#match(pattern: RegExp): RegExpExecArray {
		pattern.lastIndex = this.#at;
		const match = pattern.exec(this.#text);
		if (match === null) return this.#fail("cannot read");
		this.#at += match[0].length;
		return match;
	}

	#skipSpace(): void {
		while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
	}

	#fail(what: string): never {
		throw new NotationError(
			`${what} at character ${this.#at + 1} of "${this.#text}"`,
		);
	}
}

function protocolParts(version: number): Part[] {
	const name = version === 3 ? "MQIsdp" : "MQTT";
	return [
		bytesPart(bigEndian(name.length, 2)),
		bytesPart(Buffer.from(name)),
		bytesPart(Buffer.of(version)),
	];
}

/** A CONNECT; arguments: flags, properties, what follows the client id. */
function connectParts(
	version: number,
	clientId: readonly Part[],
	keepAlive: readonly Part[],
	args: readonly Part[][],
): Part[] {
	const flags = args[0]?.length ? args[0] : [bytesPart(Buffer.of(0x02))];
	const body: Part[] = [...protocolParts(version), ...flags, ...keepAlive];
	if (version === 5) {
		const properties = args[1] ?? [];
		body.push(bytesPart(encodeVariableInteger(lengthOf(properties))));
		body.push(...properties);
	}
	body.push(bytesPart(bigEndian(lengthOf(clientId), 2)), ...clientId);
	body.push(...(args[2] ?? []));
	return [
		bytesPart(Buffer.of(0x10)),
		bytesPart(encodeVariableInteger(lengthOf(body))),
		...body,
	];
}

/** @throws NotationError with the place in the text */
export function parseNotation(text: string, context: NotationContext): Part[] {
	const reader = new Reader(text, context);
	const parts = reader.sequence("");
	reader.expectEnd();
	return parts;
}

/** The bytes to send; `?name` stands for what was captured before. */
export function encodeNotation(
	text: string,
	context: NotationContext,
	captures: Captures,
): Buffer {
	return Buffer.concat(
		parseNotation(text, context).map((part) => {
			if (part.kind === "bytes") return part.bytes;
			const captured = part.kind === "capture" && captures.get(part.name);
			if (captured) return captured;
			throw new NotationError(`nothing captured yet to send in "${text}"`);
		}),
	);
}

/** Compares and captures. */
export function matchesPattern(
	parts: readonly Part[],
	bytes: Buffer,
	captures: Captures,
): boolean {
	if (lengthOf(parts) !== bytes.length) return false;
	let at = 0;
	const found = new Map<string, Buffer>();
	for (const part of parts) {
		if (part.kind === "any") {
			at += 1;
			continue;
		}
		const width = part.kind === "capture" ? 2 : part.bytes.length;
		const actual = bytes.subarray(at, at + width);
		at += width;
		const wanted =
			part.kind === "bytes"
				? part.bytes
				: (captures.get(part.name) ?? found.get(part.name));
		if (wanted === undefined && part.kind === "capture")
			found.set(part.name, Buffer.from(actual));
		else if (wanted !== undefined && !wanted.equals(actual)) return false;
	}
	for (const [name, value] of found) captures.set(name, value);
	return true;
}
