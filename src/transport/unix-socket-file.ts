/**
 * The file of a unix socket. One left behind by a process that is gone is removed; one
 * that somebody answers on, or that is no socket, is not touched.
 */
import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";

/** sun_path holds 108 bytes with the final zero. */
export const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Makes sure that `path` can be bound.
 * @param key of the configuration, for the words
 * @throws Error when the path is too long, in use, or is something other than a socket
 */
export async function clearSocketPath(
	path: string,
	key: string,
): Promise<void> {
	const bytes = Buffer.byteLength(path);
	if (bytes === 0 || bytes > MAX_SOCKET_PATH_BYTES) {
		throw new Error(
			`${key} needs the path of a unix socket, at most ${MAX_SOCKET_PATH_BYTES} bytes long; ${path} has ${bytes}`,
		);
	}
	const stats = await lstat(path).catch(() => null);
	if (stats === null) return;
	if (!stats.isSocket()) {
		throw new Error(
			`${path} exists and is not a socket; remove it or set ${key} to another path`,
		);
	}
	if (await answers(path)) {
		throw new Error(
			`${path} is already in use by a running program; stop it or set ${key} to another path`,
		);
	}
	await unlink(path);
}

function answers(path: string): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(path);
		socket.once("connect", () => {
			socket.destroy();
			resolve(true);
		});
		// Only a refusal proves that nobody is there; anything else is left alone.
		socket.once("error", (error: NodeJS.ErrnoException) =>
			resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
		);
	});
}
