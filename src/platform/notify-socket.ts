/**
 * One datagram at a time to the socket that systemd names in NOTIFY_SOCKET: a path, or an
 * abstract name with `@` for its first byte [sd_notify(3)]. The runtime has no such
 * sockets, so the C library is called: 3 to 5 us a message, and the sender is this process
 * itself, which is what `NotifyAccess=main` asks for.
 */
import { loadFfi } from "./ffi.ts";

/** @returns false when the message was not taken; it is not worth waiting for */
export type SendLines = (text: string) => boolean;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** sun_path holds 108 bytes; of a path the last one is the final zero. */
const MAX_NAME_BYTES = 107;

/** @returns null where there is no such socket, or no way to call the C library */
export function openNotifySocket(name: string): SendLines | null {
	const bytes = Buffer.from(name);
	if (!/^[/@]/.test(name) || bytes.length > MAX_NAME_BYTES) return null;
	const ffi = loadFfi();
	if (ffi === null) return null;
	const { functions } = ffi.dlopen(null, {
		socket: { return: "i32", arguments: ["i32", "i32", "i32"] },
		sendto: {
			return: "i64",
			arguments: ["i32", "buffer", "u64", "i32", "buffer", "u32"],
		},
	});
	// Opened once and kept: a process that runs out of descriptors can still say that it lives.
	const descriptor = functions.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0) return null;
	const address = socketAddress(bytes);
	return (text) => {
		const message = Buffer.from(text);
		const sent = functions.sendto(
			descriptor,
			message,
			BigInt(message.length),
			MSG_DONTWAIT | MSG_NOSIGNAL,
			address,
			address.length,
		);
		return Number(sent) === message.length;
	};
}

/** `struct sockaddr_un`, cut behind the name: the length says where an abstract one ends. */
function socketAddress(name: Buffer): Buffer {
	const address = Buffer.alloc(2 + name.length);
	new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX; // the machine's byte order
	name.copy(address, 2);
	if (name[0] === 0x40) address[2] = 0;
	return address;
}
