/** Two devices with one client id: recognised, named, slowed down. */
import t from "tap";
import { connectRaw, type RawClient } from "../support/raw-client.ts";
import { type SpawnedBroker, spawnBroker } from "../support/spawn-broker.ts";
import { changeConfig, reload } from "./config-file.ts";
import { linesWith } from "./waiting.ts";

const homes = ["127.0.0.2", "127.0.0.3"] as const;
/** Take-overs in a minute that are let through at once. */
const ALLOWED = 5;

t.test(
	"two clients that throw each other out are named and slowed down [MQTT-3.1.4-3]",
	async (t) => {
		const broker = await spawnBroker(t);
		let current = await device(broker, 0);
		const startMs = performance.now();
		for (let i = 1; i <= ALLOWED; i++) {
			const rival = await device(broker, i);
			const { reasonCode } = await current.expect("disconnect");
			t.equal(reasonCode, 0x8e, "Session taken over");
			await current.closed();
			current = rival;
		}
		t.ok(performance.now() - startMs < 1500, "the first ones do not wait");
		const lines = () => linesWith(broker.stderr(), "use the same client id");
		t.equal(lines().length, 0);

		const waitMs = performance.now();
		const late = device(broker, ALLOWED + 1);
		const other = await connectRaw({ port: broker.port, clientId: "other" });
		t.ok((await other.ping()) < 500, "others are not slowed down");
		t.ok((await current.ping()) < 500, "nor is the one that is connected");
		t.notOk(current.isClosed, "it stays until the other one's time has come");
		const winner = await late;
		t.ok(performance.now() - waitMs > 1000, "the next one had to wait");
		await current.closed();

		const [line = "", ...more] = lines();
		t.strictSame(more, [], "one line");
		t.match(line, "client=twin");
		for (const home of homes) t.match(line, home, "both addresses");
		await winner.ping();
	},
);

t.test(
	"a client that comes back after its connection was lost is not slowed down",
	async (t) => {
		const broker = await spawnBroker(t);
		const startMs = performance.now();
		for (let i = 0; i < 3 * ALLOWED; i++) {
			const client = await device(broker, 0);
			await client.disconnect();
		}
		t.ok(performance.now() - startMs < 2000);
		t.equal(linesWith(broker.stderr(), "use the same client id").length, 0);
	},
);

t.test(
	"the number of take-overs a minute can change while running",
	async (t) => {
		const broker = await spawnBroker(t);
		const key = "duplicate_clientid.takeovers_per_minute";
		changeConfig(broker, { [key]: "unlimited" });
		t.match(await reload(broker), key);
		const startMs = performance.now();
		let current = await device(broker, 0);
		for (let i = 1; i <= 3 * ALLOWED; i++) {
			const rival = await device(broker, i);
			await current.closed();
			current = rival;
		}
		t.ok(performance.now() - startMs < 2000, "nobody waits");
	},
);

t.test("one that waits gets in when the other one has left", async (t) => {
	const broker = await spawnBroker(t, {
		config: { "duplicate_clientid.takeovers_per_minute": "1" },
	});
	const first = await device(broker, 0);
	const second = await device(broker, 1);
	await first.closed();
	const waitMs = performance.now();
	const third = device(broker, 0);
	await second.ping();
	t.notOk(second.isClosed);
	await second.disconnect();
	await (await third).ping();
	t.ok(performance.now() - waitMs < 5000);
});

t.test("of many that come at once one stays", async (t) => {
	const broker = await spawnBroker(t);
	const first = await device(broker, 0);
	const crowd = await Promise.allSettled(
		Array.from({ length: 20 }, (_, index) => device(broker, index)),
	);
	await first.closed();
	const connected = crowd
		.filter((result) => result.status === "fulfilled")
		.map(({ value }) => value);
	t.ok(connected.length > 0);
	const witness = await connectRaw({ port: broker.port, clientId: "witness" });
	await witness.ping();
	const answers = await Promise.allSettled(
		connected.map((client) => client.ping()),
	);
	const alive = answers.filter(({ status }) => status === "fulfilled");
	t.equal(alive.length, 1);
});

/** One of two devices that were given the same client id. */
function device({ port }: SpawnedBroker, index: number): Promise<RawClient> {
	return connectRaw({
		port,
		version: 5,
		from: homes[index % 2] ?? homes[0],
		clientId: "twin",
	});
}
