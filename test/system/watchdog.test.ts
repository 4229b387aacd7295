/**
 * What ends the pings to systemd's watchdog in a real process, and what the log says of
 * it. Nobody ends the broker here: a part that works again is pinged for again.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
	type NotifyReceiver,
	receiveNotifications,
} from "../support/notify-receiver.ts";
import { endWithProcess } from "../support/spawn-broker.ts";
import { type HandStarted, startByHand } from "./run-broker.ts";
import { place } from "./start-scenarios.ts";
import { until } from "./waiting.ts";

/** systemd's limit in these tests; pings come six times as often. */
const WATCHDOG_MS = 6000;
/** By then an accusation must have come, on a machine that is busy with other things too. */
const PATIENCE_MS = 5 * WATCHDOG_MS;
/** The store makes its ballast then, see `store/ballast.ts`. */
const BALLAST_MS = 10_000;

// They wait most of their time.
t.jobs = 5;

t.test(
	"pings come while all is well, and the store is left alone",
	async (t) => {
		const { broker, systemd, pings } = await watched(t);
		await pings(4);
		t.notMatch(broker.stderr, /error|warning/, "nobody is accused");
		t.equal(systemd.count("READY=1"), 1);
	},
);

t.test(
	"a main thread that stands still is told of by the store's",
	async (t) => {
		const folder = t.testdir();
		const fifo = makeFifo(join(folder, "report"));
		const { broker, systemd, pings } = await watched(t, {
			data: join(folder, "data"),
			env: { TEST_REPORT_FILE: fifo },
		});
		await pings(1);
		broker.child.kill("SIGUSR2"); // its report has no reader: the thread waits for one
		await said(broker, /<3>system the main thread has not run for \d/);
		t.match(broker.stderr, /it waits for the system( in \S+)? \(state S, /);
		const before = systemd.count("WATCHDOG=1");
		await emptied(t, fifo);
		await said(broker, /<6>system the main thread runs again after \d/);
		await pings(before + 1);
	},
);

t.test(
	"a store that hangs is named, and a working one pinged for again",
	async (t) => {
		const data = t.testdir();
		const fifo = makeFifo(join(data, "ballast"));
		const { broker, systemd, pings } = await watched(t, { data });
		await pings(1);
		await said(
			broker,
			/the store has not proved that it works for/,
			BALLAST_MS,
		);
		t.match(broker.stderr, "systemd will end the broker and start it again");
		t.notMatch(broker.stderr, /the (router|listener|main thread)/);
		const before = systemd.count("WATCHDOG=1");
		await emptied(t, fifo);
		await said(broker, /the store works again after/);
		await pings(before + 1);
	},
);

t.test("a listener that nobody reaches any more is named", async (t) => {
	const folder = mkdtempSync("/tmp/broker-");
	t.teardown(() => rmSync(folder, { recursive: true }));
	const path = join(folder, "mqtt");
	const { broker, systemd, pings } = await watched(t, {
		args: ["--set", `listener.unix.local=${path}`],
	});
	await pings(2);
	renameSync(path, `${path}.away`);
	await said(
		broker,
		/the listener unix:local on \S+ has not proved that it works for .*ENOENT/,
	);
	const before = systemd.count("WATCHDOG=1");
	renameSync(`${path}.away`, path);
	await said(broker, /the listener unix:local on \S+ works again/);
	await pings(before + 1);
});

t.test(
	"a process that was stopped accuses nobody; one that ends so is told of",
	async (t) => {
		const runtime = mkdtempSync("/dev/shm/broker-");
		t.teardown(() => rmSync(runtime, { recursive: true }));
		const data = t.testdir();
		const env = { RUNTIME_DIRECTORY: runtime };
		const { broker, systemd, pings } = await watched(t, { env, data });
		await pings(1);
		broker.child.kill("SIGSTOP");
		const stoppedMs = performance.now();
		await until(
			() => performance.now() - stoppedMs > 2 * WATCHDOG_MS,
			"time",
			60_000,
		);
		const before = systemd.count("WATCHDOG=1");
		broker.child.kill("SIGCONT");
		await pings(before + 2);
		t.notMatch(broker.stderr, /has not (run|proved)/);
		broker.child.kill("SIGSTOP");
		const againMs = performance.now();
		await until(
			() => performance.now() - againMs > WATCHDOG_MS + 1000,
			"time",
			60_000,
		);
		broker.child.kill("SIGKILL");
		await broker.ended();
		const next = await watched(t, { env, data });
		await next.pings(1);
		t.match(
			next.broker.stderr,
			new RegExp(
				`<3>system the process before \\(pid ${broker.pid}\\) did not end in order; its last heartbeat was [\\d.]+ s before this start, longer than systemd's watchdog waits .*SIGSTOP`,
			),
		);
		next.broker.child.kill("SIGTERM");
		t.equal((await next.broker.ended()).code, 0);
		const last = await watched(t, { env, data });
		t.notMatch(last.broker.stderr, /did not end in order/);
	},
);

interface Watched {
	broker: HandStarted;
	systemd: NotifyReceiver;
	/** Waits until so many have come. */
	pings(count: number): Promise<void>;
}

async function watched(
	t: Test,
	{ data = t.testdir(), env = {}, args = [] as string[] } = {},
): Promise<Watched> {
	const systemd = await receiveNotifications(t);
	const format = ["--set", "log.format=systemd"];
	const broker = startByHand(t, [...place(data), ...format, ...args], {
		env: {
			NOTIFY_SOCKET: systemd.name,
			WATCHDOG_USEC: String(WATCHDOG_MS * 1000),
			...env,
		},
	});
	await until(() => systemd.count("READY=1") > 0, "READY", 30_000);
	const pings = (count: number) =>
		until(
			() => systemd.count("WATCHDOG=1") >= count,
			`${count} pings`,
			PATIENCE_MS + count * WATCHDOG_MS,
		);
	return { broker, systemd, pings };
}

function said(broker: HandStarted, words: RegExp, moreMs = 0): Promise<void> {
	return until(
		() => words.test(broker.stderr),
		String(words),
		PATIENCE_MS + moreMs,
	);
}

function makeFifo(path: string): string {
	mkdirSync(join(path, ".."), { recursive: true });
	execFileSync("mkfifo", [path]);
	return path;
}

/** Somebody reads it: whoever waits to write, goes on. */
async function emptied(t: Test, fifo: string): Promise<void> {
	const reader = spawn("cat", [fifo], { stdio: "ignore" });
	endWithProcess(reader);
	t.teardown(() => reader.kill("SIGKILL"));
}
