/**
 * The real process on a disk that is really full, and on one that really fails: both from
 * outside, while it runs. About 15 s.
 */
import { execFileSync } from "node:child_process";
import {
	mkdtempSync,
	rmdirSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Packet } from "mqtt-packet";
import t, { type Test } from "tap";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { WireClient } from "../support/wire-client.ts";
import { linesWith, until } from "./waiting.ts";

const MB = 1024 * 1024;
const QUOTA = 0x97;
const PAYLOAD = Buffer.alloc(16 * 1024, "x");
const PATIENCE_MS = 20_000;

interface Disk {
	readonly config: Record<string, string>;
	/** From now on nothing can be written. */
	spoil(broker: SpawnedBroker): void;
	mend(broker: SpawnedBroker): void;
	/** What the log says is wrong. */
	readonly words: RegExp;
}

/** A tmpfs that another program has filled. */
function fullDisk(t: Test): Disk {
	if (process.getuid?.() !== 0)
		throw new Error("a full disk needs root: this test mounts a small tmpfs");
	const folder = mkdtempSync(join(tmpdir(), "full-disk-"));
	execFileSync("mount", ["-t", "tmpfs", "-o", "size=24M", "test", folder]);
	t.teardown(() => {
		execFileSync("umount", ["-l", folder]);
		rmdirSync(folder);
	});
	const other = join(folder, "other");
	return {
		config: { data_dir: join(folder, "data") },
		spoil: () => {
			try {
				writeFileSync(other, Buffer.alloc(24 * MB));
			} catch {
				// As much as there was room for: that is the point.
			}
		},
		mend: () => rmSync(other),
		words: /disk is full/,
	};
}

/** Writes beyond what the files have by now fail with EFBIG, which SQLite takes for an I/O error. */
function brokenDisk(): Disk {
	const limit = (broker: SpawnedBroker, bytes: string) =>
		execFileSync("prlimit", ["--pid", String(broker.pid), `--fsize=${bytes}:`]);
	return {
		config: {},
		spoil: (broker) => {
			const { size } = statSync(join(broker.dataDir, "broker.db-wal"));
			limit(broker, String(size));
		},
		mend: (broker) => limit(broker, "unlimited"),
		words: /disk I\/O error/,
	};
}

async function joined(
	port: number,
	version: 4 | 5,
	id: string,
	clean: boolean,
) {
	const client = new WireClient(connect(port, "127.0.0.1"), version);
	const connack = await client.connect(id, {
		clean,
		...(version === 5 && {
			properties: { sessionExpiryInterval: clean ? 0 : 1000 },
		}),
	} as Partial<Packet & { cmd: "connect" }>);
	return { client, connack };
}

async function runsOn(t: Test, disk: Disk): Promise<void> {
	const broker = await spawnBroker(t, {
		config: { ...disk.config, "store.degraded_wait": "1s" },
		// The test runner's own hooks would end the process by SIGXFSZ, which Node ignores.
		prefix: ["env", "-u", "NODE_OPTIONS"],
	});
	const { port } = broker;
	const away = await joined(port, 5, "away", false);
	away.client.write({
		cmd: "subscribe",
		messageId: 1,
		subscriptions: [{ topic: "to/away", qos: 2 }],
	} as Packet);
	await away.client.expect("suback");
	away.client.destroy();
	const { client: publisher } = await joined(port, 5, "publisher", true);
	let lastId = 0;
	const accepted: string[] = [];
	/** @returns the reason code of its PUBACK or PUBREC */
	const publish = async (qos: 1 | 2): Promise<number> => {
		const id = ++lastId;
		const payload = Buffer.concat([Buffer.from(`${id} `), PAYLOAD]);
		publisher.write({
			cmd: "publish",
			topic: "to/away",
			messageId: id,
			qos,
			payload,
			dup: false,
			retain: false,
		});
		const answer = await publisher.next(PATIENCE_MS);
		if (typeof answer === "string" || answer.packet === null)
			throw new Error(`no answer: ${String(answer)}`);
		const { reasonCode = 0 } = answer.packet as { reasonCode?: number };
		if (reasonCode < 0x80) accepted.push(`${id}`);
		return reasonCode;
	};
	t.equal(await publish(1), 0);
	disk.spoil(broker);
	while ((await publish(1)) !== QUOTA);
	t.equal(await publish(2), QUOTA, "and then at once, QoS 2 as well");
	t.match(linesWith(broker.stderr(), "cannot be written")[0], disk.words);

	const { client: old } = await joined(port, 4, "old", true);
	old.write({
		cmd: "publish",
		topic: "to/away",
		messageId: 1,
		qos: 1,
		payload: PAYLOAD,
		dup: false,
		retain: false,
	});
	t.ok(await old.closed(PATIENCE_MS), "3.1.1 is closed");
	const refused = await joined(port, 4, "new", false);
	t.equal(refused.connack.returnCode, 3, "server unavailable");
	const { client: clean } = await joined(port, 5, "clean", true);
	t.ok(await clean.settle(), "clean sessions go on");

	disk.mend(broker);
	await until(
		() => broker.stderr().includes("can be written again"),
		"the disk is well again",
		PATIENCE_MS,
	);
	t.equal(await publish(1), 0);
	t.equal(linesWith(broker.stderr(), "can be written again").length, 1);
	await broker.kill("SIGKILL");
	await broker.restart();
	const { client: back, connack } = await joined(port, 5, "away", false);
	t.equal(connack.sessionPresent, true);
	const arrived: string[] = [];
	while (!arrived.includes(`${lastId}`)) {
		const { messageId, payload } = await back.expect("publish");
		arrived.push(payload.toString().split(" ")[0] ?? "");
		back.write({ cmd: "puback", messageId: messageId ?? 0 });
	}
	const lost = accepted.filter((id) => !arrived.includes(id));
	t.strictSame(lost, [], "what was accepted is there");
	// The one that was on its way to the disk when it failed may be there too.
	t.ok(arrived.length <= accepted.length + 1, "what was refused is not");
	for (const client of [publisher, clean, back]) client.destroy();
}

t.test("a disk that is full while the broker runs", (t) =>
	runsOn(t, fullDisk(t)),
);
t.test("a disk that fails while the broker runs", (t) =>
	runsOn(t, brokenDisk()),
);
