/**
 * `broker state`: backups while the broker works and while it does not, and what becomes
 * of them. About 30 seconds.
 */
import {
	chmodSync,
	chownSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
	connectRaw,
	publishBytes,
	type RawClient,
} from "../support/raw-client.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { command } from "./admin-commands.ts";
import { runBroker, startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";
import { quantile } from "./waiting.ts";

const NOBODY = 65_534;
const MESSAGE = "x".repeat(2000);
/** Together about 12 MB. */
const QUEUED = 4000;
const RETAINED = 1500;
/** Commits wait for the end of a backup, which is one sync of up to 16 MB. */
const LONGEST_STALL_MS = 5000;
/** Messages on their way at once. */
const AT_ONCE = 200;
const PATIENCE_MS = 60_000;

t.test(
	"a backup under load holds all that was acknowledged before",
	async (t) => {
		const folder = t.testdir();
		const broker = await spawnBroker(t, {
			config: { max_offline_messages: "100000", max_queued_bytes: "1GB" },
		});
		const { port } = broker;
		await leaveSession(port, "keeper", "queued/#", 2);
		await leaveSession(port, "other", "queued/few", 1);
		const sender = await connectRaw({ port, clientId: "sender" });
		await publishAll(sender, QUEUED, (i) => [
			`queued/many`,
			`${i} ${MESSAGE}`,
			1,
		]);
		await publishAll(sender, 50, (i) => ["queued/few", `${i}`, 2]);
		await publishAll(sender, RETAINED, (i) => [`kept/${i}`, MESSAGE, 1, true]);

		const latencies: number[] = [];
		let isDone = false;
		let sent = QUEUED;
		const load = (async () => {
			while (!isDone) {
				const startMs = performance.now();
				await sender.publish("queued/many", `${sent} ${MESSAGE}`, 1);
				await sender.publish(`kept/${sent % RETAINED}`, `new ${sent}`, 1, true);
				latencies.push(performance.now() - startMs);
				sent++;
			}
		})();
		const file = join(folder, "backup.db");
		const backup = await command(t, broker, ["state", "backup", file]);
		isDone = true;
		await load;
		t.equal(backup.code, 0, backup.stderr);
		t.match(backup.stdout, "a complete copy of the state");
		t.comment(
			`${latencies.length} rounds meanwhile, median ${quantile(latencies, 0.5).toFixed(1)} ms, longest ${Math.max(...latencies).toFixed(0)} ms`,
		);
		t.ok(latencies.length > 10, "acknowledgements go on meanwhile");
		t.ok(Math.max(...latencies) < LONGEST_STALL_MS, "and nothing stalls");
		t.equal(statSync(file).mode & 0o777, 0o600);
		t.strictSame(readdirSync(folder), ["backup.db"], "and nothing beside it");
		t.notOk(readdirSync(broker.dataDir).some((name) => /backup/.test(name)));

		const check = await command(t, broker, ["state", "check"]);
		t.match(check, {
			code: 0,
			stdout: `the state in ${broker.dataDir} is sound\n`,
		});
		const info = await command(t, broker, ["state", "info"]);
		t.match(info.stdout, /sessions +3 sessions, 2 subscriptions/);
		t.match(info.stdout, /MB in \d,\d{3} messages for keeper/);
		await broker.stop();

		const place = join(folder, "restored");
		const restored = await runBroker(
			t,
			[...["--set", `data_dir=${place}`, "state", "restore", file, "--yes"]],
			{},
		);
		t.match(restored, { code: 1, stderr: /there is no folder/ });
		mkdirSync(place);
		const args = ["--set", `data_dir=${place}`];
		const again = await runBroker(t, [
			...args,
			"state",
			"restore",
			file,
			"--yes",
		]);
		t.match(again, { code: 0, stderr: "" });
		await hasEverything(t, place, sent);
	},
);

/** What was acknowledged before the backup began, and a beginning of what came after. */
async function hasEverything(
	t: Test,
	folder: string,
	sent: number,
): Promise<void> {
	const limits = { max_offline_messages: "100000", max_queued_bytes: "1GB" };
	const sets = Object.entries(limits).flatMap(([key, value]) => [
		"--set",
		`${key}=${value}`,
	]);
	const broker = startByHand(t, [...place(folder), ...sets]);
	const port = await broker.ready();
	const end = await connectRaw({ port, clientId: "end" });
	await end.publish("queued/end", "end", 1);
	const few: string[] = [];
	let many = 0;
	let isOver = false;
	const keeper = await connectRaw({
		port,
		clientId: "keeper",
		clean: false,
		onMessage: ({ topic, payload }) => {
			if (topic === "queued/end") isOver = true;
			else if (topic === "queued/few") few.push(String(payload));
			else if (String(payload) === `${many} ${MESSAGE}`) many++;
			else t.fail(`not message ${many}: ${String(payload).slice(0, 20)}`);
		},
	});
	t.ok(keeper.sessionPresent);
	await keeper.until(() => isOver, "the last message", PATIENCE_MS);
	t.ok(many >= QUEUED && many <= sent, `${many} of ${sent}, in order`);
	t.strictSame(
		few,
		Array.from({ length: 50 }, (_, i) => `${i}`),
	);
	const other = await connectRaw({ port, clientId: "other", clean: false });
	t.ok(other.sessionPresent);
	const kept = new Map<string, string>();
	const reader = await connectRaw({
		port,
		clientId: "reader",
		onMessage: ({ topic, payload }) => kept.set(topic, String(payload)),
	});
	await reader.subscribe("kept/#", 1);
	const isRead = () => kept.size >= RETAINED;
	await reader.until(isRead, "all retained messages", PATIENCE_MS);
	for (const [topic, text] of kept) {
		if (text === MESSAGE || /^new \d+$/.test(text)) continue;
		t.fail(`${topic} is ${text.slice(0, 20)}`);
	}
	broker.child.kill("SIGTERM");
	await broker.ended();
}

t.test(
	"the state of a broker that was killed: backup, reset, restore",
	async (t) => {
		const folder = t.testdir();
		const broker = await spawnBroker(t);
		await leaveSession(broker.port, "keeper", "a/#", 1);
		const sender = await connectRaw({ port: broker.port, clientId: "sender" });
		await publishAll(sender, 100, (i) => [`a/${i}`, `${i}`, 1, true]);
		const state = (...args: string[]) => command(t, broker, ["state", ...args]);

		for (const what of [
			["reset", "--yes"],
			["restore", folder, "--yes"],
		]) {
			const refused = await state(...what);
			t.match(refused, {
				code: 1,
				stderr: /a broker runs \(pid \d+\).*stop it/,
			});
		}
		await broker.kill("SIGKILL");
		const info = await state("info");
		t.match(info.stdout, /queued +100 messages/, info.stderr);
		t.match(info.stdout, /retained +100 messages/);
		const file = join(folder, "backup.db");
		t.match(await state("backup", file), { code: 0, stderr: "" });
		const again = await state("backup", file);
		t.match(again, { code: 1, stderr: /exists.*--force/ });
		t.match(await state("backup", file, "--force"), { code: 0 });
		t.match(await state("backup", join(folder, "no", "x")), {
			code: 1,
			stderr: /there is no folder/,
		});
		t.match(await state("reset"), { code: 1, stderr: /add --yes/ });
		const reset = await state("reset", "--yes");
		t.equal(reset.code, 0, reset.stderr);
		const [, way = ""] = /broker state restore (\S+)/.exec(reset.stdout) ?? [];
		t.match(await state("info"), { code: 1, stderr: /there is no state/ });
		const back = await state("restore", way, "--yes");
		t.match(back, { code: 0, stderr: "" }, "as the reset said");
		await broker.restart();
		const keeper = await connectRaw({
			port: broker.port,
			clientId: "keeper",
			clean: false,
		});
		t.ok(keeper.sessionPresent);
		await keeper.until(() => keeper.messages.length >= 100, "its queue");
		t.strictSame(
			keeper.messages.map(({ topic }) => topic),
			Array.from({ length: 100 }, (_, i) => `a/${i}`),
		);
		await broker.stop();
		t.match(await state("restore", file, "--yes"), {
			code: 0,
			stdout: /what was there is in .*set-aside/,
		});

		writeFileSync(join(folder, "nonsense"), "nonsense");
		truncateSync(file, statSync(file).size - 4096);
		for (const wrong of ["nonsense", "backup.db", "missing"]) {
			const refused = await state("restore", join(folder, wrong), "--yes");
			t.equal(refused.code, 1);
			t.match(refused.stderr, join(folder, wrong));
		}
		t.match(await state("check"), { code: 0 }, "they have changed nothing");
	},
);

t.test("root leaves files that the broker's user can write", async (t) => {
	if (process.getuid?.() !== 0) throw new Error("this test needs root");
	const home = mkdtempSync(join(tmpdir(), "state-root-"));
	t.teardown(() => rmSync(home, { recursive: true, force: true }));
	chmodSync(home, 0o755);
	const data = join(home, "data");
	const secret = join(home, "secret");
	mkdirSync(data, { mode: 0o750 });
	chownSync(data, NOBODY, NOBODY);
	mkdirSync(secret, { mode: 0o700 });
	const start = () => startByHand(t, place(data), { uid: NOBODY });
	const state = (...args: string[]) =>
		runBroker(t, ["--set", `data_dir=${data}`, "state", ...args]);
	const first = start();
	const client = await connectRaw({ port: await first.ready(), clientId: "c" });
	await client.publish("kept", "value", 1, true);
	const file = join(secret, "running.db");
	t.match(await state("backup", file), { code: 0, stderr: "" });
	t.equal(statSync(file).uid, 0, "the backup is root's");
	first.child.kill("SIGKILL");
	await first.ended();

	const stopped = join(secret, "stopped.db");
	for (const args of [
		["info"],
		["check"],
		["backup", stopped],
		["reset", "--yes"],
		["restore", file, "--yes"],
		["restore", stopped, "--yes"],
	]) {
		t.match(await state(...args), { code: 0, stderr: "" }, args.join(" "));
		for (const name of readdirSync(data, { recursive: true })) {
			const path = join(data, String(name));
			t.equal(statSync(path).uid, NOBODY, `${args[0]}: ${name}`);
		}
	}
	t.ok(existsSync(join(data, "set-aside")));
	const second = start();
	const reader = await connectRaw({
		port: await second.ready(),
		clientId: "r",
	});
	await reader.subscribe("kept", 1);
	await reader.until(() => reader.messages.length > 0, "what was retained");
	t.equal(String(reader.messages[0]?.payload), "value");
	second.child.kill("SIGTERM");
	await second.ended();
});

async function leaveSession(
	port: number,
	clientId: string,
	filter: string,
	qos: 1 | 2,
): Promise<void> {
	const client = await connectRaw({ port, clientId, clean: false });
	await client.subscribe(filter, qos);
	await client.disconnect();
}

type Wanted = readonly [
	topic: string,
	payload: string,
	qos: 1 | 2,
	retain?: boolean,
];

/** Many at a time; resolves when all are acknowledged. */
async function publishAll(
	client: RawClient,
	count: number,
	wanted: (index: number) => Wanted,
): Promise<void> {
	const before = client.acknowledged;
	for (let i = 0; i < count; i++) {
		const [topic, payload, qos, retain = false] = wanted(i);
		const packet = { topic, payload, qos, retain, id: client.nextId() };
		await client.push(publishBytes(packet, client.version));
		if (i % AT_ONCE !== 0 && i !== count - 1) continue;
		const target = before + (i === count - 1 ? count : i - AT_ONCE);
		await client.until(
			() => client.acknowledged >= target,
			"acknowledgements",
			PATIENCE_MS,
		);
	}
}
