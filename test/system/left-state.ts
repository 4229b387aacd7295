/** State as a killed broker leaves it, for tests of what the next start makes of it. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";

/**
 * State with a session that was connected, a queued and a retained message, as a kill
 * leaves it.
 */
export async function leaveState(t: Test, dataDir: string): Promise<void> {
	const broker = startByHand(t, place(dataDir));
	const port = await broker.ready();
	const keeper = await connectRaw({
		port,
		version: 5,
		clientId: "keeper",
		clean: false,
		sessionExpirySeconds: 3600,
		acknowledges: false,
	});
	await keeper.subscribe("queued", 1);
	const publisher = await connectRaw({ port, clientId: "publisher" });
	await publisher.publish("queued", "1", 1);
	await publisher.publish("kept", "value", 1, true);
	broker.child.kill("SIGKILL");
	await broker.ended();
}

export async function hasState(port: number): Promise<boolean> {
	const keeper = await connectRaw({
		port,
		version: 5,
		clientId: "keeper",
		clean: false,
		sessionExpirySeconds: 3600,
	});
	const { sessionPresent } = keeper;
	if (sessionPresent)
		await keeper.until(() => keeper.received > 0, "the queued message");
	const reader = await connectRaw({ port, clientId: "reader" });
	await reader.subscribe("kept", 0);
	// Retained messages come from the disk, not in the order of answers.
	if (sessionPresent) await reader.until(() => reader.received > 0, "kept");
	const isKept = reader.received > 0;
	keeper.destroy();
	reader.destroy();
	return sessionPresent && isKept;
}

/** The name of each file and what is in it; sockets have no content. */
export function allFiles(folder: string): Record<string, string> {
	return Object.fromEntries(
		readdirSync(folder, { withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map(({ name }) => {
				const bytes = readFileSync(join(folder, name));
				return [name, createHash("sha256").update(bytes).digest("hex")];
			}),
	);
}
