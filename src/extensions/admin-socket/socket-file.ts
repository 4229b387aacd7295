/** Makes the admin socket's folder and file what they should be: there, and not for everybody. */
import { chmod, chown, mkdir, readFile } from "node:fs/promises";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { clearSocketPath } from "../../transport/unix-socket-file.ts";

const MODE = 0o660;
const FOLDER_MODE = 0o750;
const KEY = "admin.socket";
const GROUP = "broker";

/** @throws Error in words that name the key to change */
export async function listenOnFile(
	server: Server,
	path: string,
): Promise<void> {
	await clearSocketPath(path, KEY);
	try {
		await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
		await listen(server, path);
	} catch (cause) {
		throw new Error(
			`cannot make ${path} (${KEY}): ${(cause as Error).message}`,
			{ cause },
		);
	}
	// Until here the umask applies, which lets nobody else write, so nobody else connect.
	await chmod(path, MODE);
	await giveToGroup(path);
}

/** Where the group is there and this process may: members of it may send commands too. */
async function giveToGroup(path: string): Promise<void> {
	const group = await findGroup(GROUP);
	if (group === null) return;
	const isAllowed =
		process.geteuid?.() === 0 || process.getgroups?.().includes(group) === true;
	if (isAllowed) await chown(path, process.geteuid?.() ?? 0, group);
}

/** @returns its number; null when there is no such group */
async function findGroup(name: string): Promise<number | null> {
	const text = await readFile("/etc/group", "utf8").catch(() => "");
	const line = text.split("\n").find((each) => each.startsWith(`${name}:`));
	const number = Number(line?.split(":")[2] ?? Number.NaN);
	return Number.isInteger(number) ? number : null;
}

function listen(server: Server, path: string): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(path, () => {
			server.removeListener("error", reject);
			resolve();
		});
	});
}
