/** Which process is at the other end of a unix socket [unix(7), SO_PEERCRED]. */
import { loadFfi } from "./ffi.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** `struct ucred`: pid, uid, gid. */
const UCRED_BYTES = 12;

type Getsockopt = (
	descriptor: number,
	level: number,
	name: number,
	value: Buffer,
	length: Buffer,
) => number;

let getsockopt: Getsockopt | null | undefined;

/** @returns false in a runtime that cannot ask */
export function canAskPeer(): boolean {
	getsockopt ??= loadGetsockopt();
	return getsockopt !== null;
}

/** @returns 0 when the system does not tell */
export function peerProcess(descriptor: number): number {
	if (!canAskPeer() || !getsockopt) return 0;
	const value = Buffer.alloc(UCRED_BYTES);
	const length = Buffer.alloc(4);
	new Uint32Array(length.buffer, length.byteOffset, 1)[0] = UCRED_BYTES;
	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, value, length) !== 0)
		return 0;
	return new Int32Array(value.buffer, value.byteOffset, 1)[0] ?? 0;
}

function loadGetsockopt(): Getsockopt | null {
	const ffi = loadFfi();
	if (ffi === null) return null;
	return ffi.dlopen(null, {
		getsockopt: {
			return: "i32",
			arguments: ["i32", "i32", "i32", "buffer", "buffer"],
		},
	}).functions.getsockopt;
}
