/**
 * `node build.mjs node test/crash/mutants.ts [NAME ...]`: whether the checker of the kill
 * test can fail. Each mutant is a copy of the sources with one thing broken that the store
 * promises; the kill test has to find it. Ends with exit code 1 when one goes unnoticed.
 */
import {
	cpSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runKills } from "./kill.ts";

interface Mutant {
	file: string;
	/** What stands there once, and what takes its place. */
	from: string;
	to: string;
}

const mutants: Readonly<Record<string, Mutant>> = {
	"acknowledges before the commit": {
		file: "store/store-engine.ts",
		from: 'tables.finish();\n\t\t\tdatabase.exec("COMMIT");',
		to: `tables.finish();
			const copy = request.memory.slice(0);
			this.#answerCommit({ ...request, memory: copy });
			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
			database.exec("COMMIT");
			tables.retained.committed();
			if (request.batch > 0) return true;`,
	},
	"loses dequeues": {
		file: "store/tables.ts",
		from: "this.queue.remove(key, sequence);",
		to: "if (sequence % 20 > 0) this.queue.remove(key, sequence);",
	},
	"loses messages": {
		file: "store/tables.ts",
		from: "this.queue.enqueue(operation);",
		to: "if (sequence % 100 > 0) this.queue.enqueue(operation);",
	},
	"forgets received ids": {
		file: "store/tables.ts",
		from: "this.#receivedIds.put(key, number);",
		to: "",
	},
	"keeps received ids": {
		file: "store/tables.ts",
		from: "this.#receivedIds.delete(key, number);",
		to: "",
	},
	"forgets that PUBREC came": {
		file: "store/tables.ts",
		from: "this.queue.markReleased(key, sequence);",
		to: "",
	},
	"forgets packet ids of QoS 2": {
		file: "session/queue-rows.ts",
		from: "putRow(session, entry, DeliveryPhase.Sent, entry.packetId, entry);",
		to: "putRow(session, entry, DeliveryPhase.Queued, 0, entry);",
	},
	"keeps deleted sessions": {
		file: "store/tables.ts",
		from: "this.#sessions.delete(key);",
		to: "",
	},
	"keeps deleted subscriptions": {
		file: "store/tables.ts",
		from: 'this.#subscriptions.delete(key, operation.text ?? "");',
		to: "",
	},
	"forgets sessions": {
		file: "session/session-registry.ts",
		from: "this.#sessions.set(session.clientId, session);\n\t\tif (saved",
		to: "if (session.key % 4 > 0) this.#sessions.set(session.clientId, session);\n\t\tif (saved",
	},
	"forgets wills": {
		file: "session/session-registry.ts",
		from: "session.will = saved.will;",
		to: "",
	},
	"publishes wills at every start": {
		file: "session/session-registry.ts",
		from: "const isWillDue = willInMs <= 0;",
		to: "const isWillDue = session.will !== null;",
	},
	"begins session expiry anew": {
		file: "session/session-registry.ts",
		from: ": Math.max(0, now - saved.disconnectedAtMs);",
		to: ": 0;",
	},
	"writes retained messages late": {
		file: "store/store-client.ts",
		from: "this.#putRetained(operation, lazy);\n\t}\n\n\tdeleteRetained",
		to: "this.#putRetained(operation, true);\n\t}\n\n\tdeleteRetained",
	},
	"never clears retained messages": {
		file: "store/tables.ts",
		from: "this.retained.delete(text);",
		to: "",
	},
	"keeps expired retained messages": {
		file: "store/tables/retained.ts",
		from: "Math.round(expiresAtWallMs),",
		to: "0,",
	},
	"loses properties": {
		file: "store/tables/message.ts",
		from: "properties: row.properties ?? NO_BYTES,",
		to: "properties: NO_BYTES,",
	},
	"reads queues backwards": {
		file: "store/tables/queue.ts",
		from: '[QueuePart.Waiting]: page("queue", waiting, ""),',
		to: '[QueuePart.Waiting]: page("queue", waiting, "DESC"),',
	},
	"changes payloads": {
		file: "store/tables/message.ts",
		from: "payload: row.payload,",
		to: "payload: row.payload.map((byte) => byte & 0xfe) as Buffer,",
	},
};

const KILLS = 8;
/** What does not come in that time never will. */
const DRAIN_MS = 8000;
const projectFolder = resolve(import.meta.dirname, "../..");

const named = process.argv.slice(2);
const names = named.length > 0 ? named : Object.keys(mutants);
const unnoticed: string[] = [];
for (const name of names) {
	const mutant = mutants[name];
	if (mutant === undefined) throw new Error(`no mutant "${name}"`);
	const words = await noticed(mutant);
	console.log(`${words === "" ? "UNNOTICED" : "noticed  "} ${name}: ${words}`);
	if (words === "") unnoticed.push(name);
}
process.exitCode = unnoticed.length === 0 ? 0 : 1;

/** @returns the first thing that the checker said; empty when nothing */
async function noticed({ file, from, to }: Mutant): Promise<string> {
	const folder = mkdtempSync(join(tmpdir(), "broker-mutant-"));
	try {
		cpSync(join(projectFolder, "src"), join(folder, "src"), {
			recursive: true,
		});
		for (const name of ["node_modules", "package.json"])
			symlinkSync(join(projectFolder, name), join(folder, name));
		const path = join(folder, "src", file);
		const parts = readFileSync(path, "utf8").split(from);
		if (parts.length !== 2)
			throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
		writeFileSync(path, parts.join(to));
		process.env.TEST_BUNDLE = join(folder, "src/main.ts");
		const { violations } = await runKills({
			kills: KILLS,
			seed: 1,
			drainMs: DRAIN_MS,
		});
		const [first = ""] = violations;
		return first === "" ? "" : `${first} (${violations.length} in all)`;
	} catch (error) {
		return (error as Error).message.slice(0, 200);
	} finally {
		rmSync(folder, { recursive: true });
	}
}
