/**
 * Listening sockets that systemd hands over to the process [sd_listen_fds(3)]: open
 * descriptors from 3 on, with names, for the process whose id is named.
 */
import { loadFfi } from "./ffi.ts";

const FIRST_DESCRIPTOR = 3;
const F_SETFD = 2;

export interface PassedSocket {
	readonly descriptor: number;
	/** `FileDescriptorName=` of the socket unit; the unit's own name when it has none. */
	readonly name: string;
}

/** @returns none when they are for another process, or there are none */
export function passedSockets(
	env: NodeJS.ProcessEnv,
	pid = process.pid,
): PassedSocket[] {
	const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "" } = env;
	const count = Number(LISTEN_FDS);
	if (Number(LISTEN_PID) !== pid || !Number.isSafeInteger(count)) return [];
	const names = LISTEN_FDNAMES.split(":");
	return Array.from({ length: Math.max(0, count) }, (_, index) => ({
		descriptor: FIRST_DESCRIPTOR + index,
		name: names[index] || "unknown",
	}));
}

/**
 * Has them stay open when the process begins again as another program: the runtime marks
 * all that it finds open to be closed then.
 * @returns false when it cannot
 */
export function keepForNextProgram(sockets: readonly PassedSocket[]): boolean {
	if (sockets.length === 0) return true;
	const ffi = loadFfi();
	if (ffi === null) return false;
	const { fcntl } = ffi.dlopen(null, {
		fcntl: { return: "i32", arguments: ["i32", "i32", "i32"] },
	}).functions;
	return sockets.every(({ descriptor }) => fcntl(descriptor, F_SETFD, 0) === 0);
}
