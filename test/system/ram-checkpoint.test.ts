/**
 * The real process with `state = ram+checkpoint`: kills and power cuts at any moment, and
 * what it says of itself. About 30 s.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import t, { type Test } from "tap";
import { Random } from "../soak/random.ts";
import { connectRaw, type RawClient } from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { command } from "./admin-commands.ts";
import { startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";
import { until } from "./waiting.ts";

const ROUNDS = 8;
const TOPICS = 40;
const MOST_MS = 300;

interface InMemory {
	readonly broker: SpawnedBroker;
	/** Stands for the machine's memory. */
	readonly ram: string;
}

async function start(t: Test, interval: string): Promise<InMemory> {
	const ram = mkdtempSync("/dev/shm/broker-test-");
	t.teardown(() => rmSync(ram, { recursive: true, force: true }));
	const config = {
		state: "ram+checkpoint",
		"state.ram_dir": ram,
		"state.checkpoint_interval": interval,
	};
	return { broker: await spawnBroker(t, { config }), ram };
}

async function powerCut({ broker, ram }: InMemory): Promise<void> {
	await broker.kill("SIGKILL");
	for (const name of readdirSync(ram))
		rmSync(join(ram, name), { recursive: true });
	await broker.restart();
}

async function publish({ port }: SpawnedBroker, value: string): Promise<void> {
	const client = await connectRaw({ port, clientId: "publisher" });
	await client.publish("kept/value", value, 1, true);
	await client.disconnect();
}

async function kept({ port }: SpawnedBroker): Promise<Map<string, string>> {
	const values = new Map<string, string>();
	const client = await connectRaw({
		port,
		clientId: "reader",
		onMessage: ({ topic, payload }) => values.set(topic, payload.toString()),
	});
	// Retained messages come in the order of their topics: this one is the last.
	await client.publish("kept/~end", "x", 1, true);
	await client.subscribe("kept/#", 1);
	await client.until(() => values.has("kept/~end"), "the end of the scan");
	values.delete("kept/~end");
	await client.disconnect();
	return values;
}

t.test("says where the state is and what is at stake", async (t) => {
	const { broker, ram } = await start(t, "1h");
	t.match(
		broker.stderr(),
		/the database is in memory \(\/dev\/shm\/.*\) and saved to .*broker\.db every 1 h: an acknowledgement does not mean the disk/,
	);
	await publish(broker, "1");
	const { code, stdout } = await command(t, broker, ["status"]);
	t.equal(code, 0);
	t.match(stdout, /state +in memory: [\d.]+ KB in \/dev\/shm\/.*, saved to /);
	t.match(
		stdout,
		/power cut +loses what was acknowledged since the last checkpoint, .* ago/,
	);
	t.match(stdout, /database in memory \(store\.max_bytes\)/, "it is charged");
	const json = await command(t, broker, ["status", "--json"]);
	const { durability, ramState } = JSON.parse(json.stdout);
	t.equal(durability.mode, "ram+checkpoint");
	t.equal(typeof durability.lossWindowMs, "number");
	t.match(ramState, {
		checkpoint: join(broker.dataDir, "broker.db"),
		trouble: "",
	});
	const first = await command(t, broker, ["state", "checkpoint"]);
	t.match(first, { code: 0, stdout: /the state is on the disk \([\d.]+ KB\)/ });
	const second = await command(t, broker, ["state", "checkpoint"]);
	t.match(second, { code: 0, stdout: /nothing has changed/ });
	const check = await command(t, broker, ["state", "check"]);
	t.match(check, { code: 0, stdout: /is sound/ });
	const file = join(t.testdir(), "backup.db");
	t.match(await command(t, broker, ["state", "backup", file]), { code: 0 });
	const rival = await startByHand(t, place(broker.dataDir)).ended();
	t.match(rival.stderr, /another broker uses .* \(process \d+\)/);
	t.equal(await broker.stop(), 0);
	t.strictSame(readdirSync(join(ram, readdirSync(ram)[0] ?? "")), []);
	const without = startByHand(t, place(broker.dataDir));
	await without.ready();
	const refused = await command(t, broker, ["state", "checkpoint"]);
	t.match(refused, { code: 1, stderr: /made with state = ram\+checkpoint/ });
});

t.test(
	"an orderly restart and a kill lose nothing, a power cut what came since the last checkpoint",
	async (t) => {
		const machine = await start(t, "1h");
		const { broker } = machine;
		for (const value of ["1", "2"]) {
			await publish(broker, value);
			await broker.restart();
			t.strictSame([...(await kept(broker)).values()], [value]);
		}
		await publish(broker, "3");
		const path = join(broker.dataDir, "broker.db");
		const savedAt = () =>
			statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
		const before = savedAt();
		await broker.kill("SIGKILL");
		await broker.restart();
		t.strictSame([...(await kept(broker)).values()], ["3"]);
		t.match(
			broker.stderr(),
			/the state that the process before has left there is used/,
		);
		// It has no name for a moment, between being the next one and being the one.
		await until(() => savedAt() > before, "it is saved at once");
		await publish(broker, "4");
		await powerCut(machine);
		t.strictSame([...(await kept(broker)).values()], ["3"]);
	},
);

t.test(
	"kills and power cuts at any moment, checkpoints all the time",
	async (t) => {
		const random = new Random(7);
		const machine = await start(t, "1s");
		const { broker } = machine;
		/** The value of each topic that was acknowledged last, and that a checkpoint has for certain. */
		const acknowledged = new Map<string, number>();
		let saved = new Map<string, number>();
		let counter = 0;
		for (let round = 0; round < ROUNDS; round++) {
			const client = await connectRaw({ port: broker.port, clientId: "load" });
			const isOver = { value: false };
			const load = publishAll(client, () => ++counter, acknowledged);
			const checkpoints = (async () => {
				while (!isOver.value) {
					const before = new Map(acknowledged);
					const { code } = await command(t, broker, ["state", "checkpoint"]);
					// One that ended after the power cut says nothing of what was before it.
					if (code === 0 && !isOver.value) saved = before;
				}
			})();
			await until(() => counter > round * 50, "messages move");
			await pause(random.below(MOST_MS));
			const isPowerCut = random.chance(0.5);
			isOver.value = true;
			if (isPowerCut) await powerCut(machine);
			else {
				await broker.kill("SIGKILL");
				await broker.restart();
			}
			client.destroy();
			await Promise.all([load, checkpoints]);
			const found = await kept(broker);
			const floor = isPowerCut ? saved : acknowledged;
			for (const [topic, value] of floor)
				if (!(Number(found.get(topic)) >= value))
					t.fail(
						`round ${round}: ${topic} is ${found.get(topic)}, not ${value}`,
					);
			for (const [topic, value] of found)
				acknowledged.set(topic, Number(value));
			for (const topic of acknowledged.keys())
				if (!found.has(topic)) acknowledged.delete(topic);
			saved = new Map([...saved].filter(([topic]) => acknowledged.has(topic)));
		}
		t.ok(counter > ROUNDS * 50, `${counter} messages`);
		t.notMatch(
			broker.stderr(),
			/damaged|quarantine|could not be used|set-aside/,
		);
		t.match(await command(t, broker, ["state", "check"]), { code: 0 });
	},
);

/** One after the other, until the connection ends; notes what was acknowledged. */
async function publishAll(
	client: RawClient,
	next: () => number,
	acknowledged: Map<string, number>,
): Promise<void> {
	while (!client.isClosed) {
		const value = next();
		const topic = `kept/${value % TOPICS}`;
		try {
			await client.publish(topic, `${value}`, 1, true);
			acknowledged.set(topic, value);
		} catch {
			return; // the broker is gone
		}
	}
}
