/**
 * `broker import mosquitto` as a command: what it writes where, what it refuses, and what is
 * left of it when it is killed. About 20 seconds.
 */
import {
	chmodSync,
	chownSync,
	existsSync,
	readdirSync,
	readFileSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { MosquittoDb } from "../support/mosquitto-db.ts";
import { spawnBroker } from "../support/spawn-broker.ts";
import { startByHand } from "../system/run-broker.ts";
import { until } from "../system/waiting.ts";
import { open, publish, run, startMosquitto } from "./moving.ts";

const NOBODY = 65_534;

t.test(
	"a rehearsal while mosquitto runs, and what is there stays",
	async (t) => {
		const mosquitto = await startMosquitto(t);
		const sender = open(mosquitto, 4);
		await sender.connect("sender");
		await publish(sender, { topic: "a", payload: "1", retain: true });
		process.kill(mosquitto.pid, "SIGUSR1");
		const file = join(mosquitto.dataDir, "mosquitto.db");
		const conf = join(dirname(mosquitto.dataDir), "broker.conf");
		// It saves in its own time: its answer to a packet comes after that.
		while (!existsSync(file)) await sender.settle();
		await sender.settle();
		const folder = t.testdir({ data: {} });
		const output = join(folder, "trial.conf");
		const args = [
			..."import mosquitto".split(" "),
			conf,
			...["--output", output, "--data", join(folder, "data")],
		];
		const dry = await run(t, [...args, "--dry-run"]);
		t.equal(dry.code, 0, dry.stderr);
		t.match(dry.stdout, /WARNING: mosquitto runs \(pid \d+\)/);
		t.match(dry.stdout, `listener.tcp.port${mosquitto.port} = 127.0.0.1`);
		t.strictSame(readdirSync(join(folder, "data")), []);
		t.notOk(existsSync(output), "nothing was written");
		const first = await run(t, args);
		t.equal(first.code, 0, first.stderr);
		const text = readFileSync(output, "utf8");

		const second = await run(t, args);
		t.equal(second.code, 1);
		t.match(second.stderr, /trial\.conf exists: .* --force/);
		const elsewhere = args.with(4, join(folder, "other.conf"));
		const third = await run(t, elsewhere);
		t.equal(third.code, 1);
		t.match(third.stderr, /there is state in .*data already.*--force/);
		t.notOk(existsSync(join(folder, "other.conf")));
		const forced = await run(t, [...args, "--force"]);
		t.equal(forced.code, 0, forced.stderr);
		t.equal(readFileSync(`${output}.old`, "utf8"), text);
		t.match(forced.stdout, /set-aside\/broker\.db\..*broker state restore/);

		const json = JSON.parse(
			(await run(t, [...args, "--dry-run", "--json"])).stdout,
		);
		t.match(json, { state: { retained: 1, format: 6 }, output });
	},
);

t.test("refuses while a broker runs on the folder", async (t) => {
	const mosquitto = await startMosquitto(t);
	await open(mosquitto, 4).connect("anybody"); // before that it misses a signal
	await mosquitto.stop();
	const broker = await spawnBroker(t, { kind: "broker" });
	const conf = join(dirname(mosquitto.dataDir), "broker.conf");
	const ours = join(dirname(broker.dataDir), "broker.conf");
	const output = join(t.testdir(), "new.conf");
	const refused = await run(t, [
		...["-c", ours, "import", "mosquitto", conf, "--output", output],
		"--force",
	]);
	t.equal(refused.code, 1);
	t.match(refused.stderr, /a broker runs \(pid \d+\) with its state in/);
	t.notOk(existsSync(output));
});

t.test(
	"among what is configured already, as the owner of the state",
	async (t) => {
		const mosquitto = await startMosquitto(t);
		const sender = open(mosquitto, 4);
		await sender.connect("sender");
		await publish(sender, { topic: "a", payload: "1", retain: true });
		await sender.settle();
		await mosquitto.stop();
		const conf = join(dirname(mosquitto.dataDir), "broker.conf");
		const folder = t.testdir({ "conf.d": {}, data: {} });
		const data = join(folder, "data");
		const main = join(folder, "broker.conf");
		const output = join(folder, "conf.d/mosquitto.conf");
		if (process.geteuid?.() === 0) {
			chmodSync(folder, 0o755);
			chownSync(data, NOBODY, NOBODY);
		}
		const args = ["-c", main, "import", "mosquitto", conf];
		const taken = `listener.tcp.mine = 127.0.0.1:${mosquitto.port}\n`;
		writeFileSync(main, `data_dir = ${data}\n${taken}`);
		const refused = await run(t, args);
		t.equal(refused.code, 1);
		t.match(refused.stderr, /would not be valid.*\n.*is taken already by/);
		t.notOk(existsSync(output), "the configuration is as it was");
		t.strictSame(readdirSync(data), [], "and so is the state");

		writeFileSync(main, `data_dir = ${data}\n`);
		const ended = await run(t, args);
		t.equal(ended.code, 0, ended.stderr);
		t.ok(existsSync(output));
		const { uid, mode } = statSync(join(data, "broker.db"));
		t.equal(uid, statSync(data).uid, "the broker may write it");
		t.equal(mode & 0o777, 0o640);
		const info = await run(t, ["-c", main, "state", "info"]);
		t.match(info.stdout, /retained +1 message/);
	},
);

t.test("an import that is killed leaves nothing half done", async (t) => {
	const folder = t.testdir({ data: {} });
	const db = new MosquittoDb(6);
	for (let id = 1; id <= 20_000; id++)
		db.message({ id, topic: `t/${id}`, payload: "x".repeat(500), qos: 1 });
	for (let id = 1; id <= 20_000; id++) db.retained(id);
	writeFileSync(join(folder, "mosquitto.db"), db.toBuffer());
	const conf = join(folder, "mosquitto.conf");
	writeFileSync(conf, `persistence true\npersistence_location ${folder}\n`);
	const data = join(folder, "data");
	const output = join(folder, "broker.conf");
	const args = [
		"import",
		"mosquitto",
		conf,
		"--output",
		output,
		"--data",
		data,
	];
	const killed = startByHand(t, args);
	await until(
		() => killed.hasEnded || existsSync(join(data, "broker.db.importing-wal")),
		"the database that is being made",
	);
	killed.child.kill("SIGKILL");
	await killed.ended();
	t.notOk(existsSync(join(data, "broker.db")));
	t.notOk(existsSync(output));
	const again = await run(t, args);
	t.equal(again.code, 0, again.stderr);
	t.match(again.stdout, /20,000 retained messages/);
	t.strictSame(readdirSync(data), ["broker.db"]);
});

t.test("the configurations of Debian's package", async (t) => {
	const folder = t.testdir({ data: {} });
	for (const file of [
		"/etc/mosquitto/mosquitto.conf",
		"/usr/share/doc/mosquitto/examples/mosquitto.conf",
	]) {
		const output = join(folder, "broker.conf");
		const ended = await run(t, [
			..."import mosquitto".split(" "),
			file,
			...["--output", output, "--data", join(folder, "data"), "--force"],
		]);
		t.equal(ended.code, 0, ended.stderr);
		const checked = await run(t, ["--check-config", "-c", output]);
		t.equal(checked.code, 0, checked.stdout);
		t.match(checked.stdout, /listens on {2}tcp:default 127\.0\.0\.1:1883/);
	}
});
