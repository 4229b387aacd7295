/**
 * Stands in for systemd: receives what a service says of itself. The runtime has no
 * datagram sockets of this kind, so a few lines of Python hold the socket.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { endWithProcess, type TearDown } from "./spawn-broker.ts";

const program = `
import json, os, socket, sys
name = sys.argv[1]
own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
own.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
own.bind("\\0" + name[1:] if name[0] == "@" else name)
print(json.dumps([0, "bound"]), flush=True)
while True:
    text, ancillary, flags, address = own.recvmsg(8192, 64)
    pid = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
    print(json.dumps([pid, text.decode()]), flush=True)
`;

/** One assignment, `WATCHDOG=1`, and when it came. */
export interface Notification {
	readonly line: string;
	/** The process that sent it. */
	readonly pid: number;
	/** By this process's monotonic clock, ms. */
	readonly atMs: number;
}

export class NotifyReceiver {
	/** The name for NOTIFY_SOCKET. */
	readonly name: string;
	readonly received: Notification[] = [];
	readonly #child: ChildProcess;

	constructor(name: string) {
		this.name = name;
		this.#child = spawn("/usr/bin/python3", ["-c", program, name], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		endWithProcess(this.#child);
	}

	/** All lines that begin so. */
	linesOf(start: string): Notification[] {
		return this.received.filter(({ line }) => line.startsWith(start));
	}

	count(start: string): number {
		return this.linesOf(start).length;
	}

	async bound(): Promise<void> {
		const { stdout } = this.#child;
		if (stdout === null) throw new Error("no pipe");
		const lines = createInterface({ input: stdout });
		const first = once(lines, "line");
		const failed = once(this.#child, "exit").then(([code]) => {
			throw new Error(`python3 ended with code ${code}`);
		});
		await Promise.race([first, failed]);
		failed.catch(() => {});
		lines.on("line", (text) => {
			const [pid, message] = JSON.parse(text);
			const atMs = performance.now();
			for (const line of message.split("\n"))
				this.received.push({ line, pid, atMs });
		});
	}

	stop(): void {
		this.#child.kill("SIGKILL");
	}
}

/** @param prefix `@` for an abstract name instead of a path */
export async function receiveNotifications(
	t: TearDown,
	prefix: "" | "@" = "",
): Promise<NotifyReceiver> {
	const folder = socketFolder(t);
	const receiver = new NotifyReceiver(`${prefix}${join(folder, "notify")}`);
	t.teardown(() => receiver.stop());
	await receiver.bound();
	return receiver;
}

/** A folder whose path is short enough for a socket's name. */
export function socketFolder(t: TearDown): string {
	const folder = mkdtempSync(join(tmpdir(), "broker-"));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}
