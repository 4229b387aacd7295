/** A broker in this process with an admin socket, and somebody who asks it. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { type Rig, startRig } from "../broker/broker-fixture.ts";

export interface AdminRig extends Rig {
	readonly socket: string;
	ask(method: string, path: string, body?: string): Promise<Reply>;
}

export interface Reply {
	readonly status: number;
	// biome-ignore lint/suspicious/noExplicitAny: tests look into it
	readonly body: any;
}

export async function startAdminRig(
	t: Test,
	overrides: Record<string, string | number | boolean> = {},
): Promise<AdminRig> {
	const socket = join(await shortFolder(t), "admin.sock");
	const rig = await startRig(t, { "admin.socket": socket, ...overrides });
	const reply = (method: string, path: string, body = "") =>
		askOn(socket, method, path, body);
	return { ...rig, socket, ask: reply };
}

/** A folder whose name leaves room for a socket's, which t.testdir() does not. */
export async function shortFolder(t: Test): Promise<string> {
	const folder = await mkdtemp(join(tmpdir(), "admin-"));
	t.teardown(() => rm(folder, { recursive: true, force: true }));
	return folder;
}

export async function askOn(
	socketPath: string,
	method: string,
	path: string,
	body = "",
): Promise<Reply> {
	const sent = request({ socketPath, method, path, agent: false });
	sent.end(body);
	const [response] = await once(sent, "response");
	let text = "";
	for await (const chunk of response.setEncoding("utf8")) text += chunk;
	return { status: response.statusCode, body: JSON.parse(text) };
}
