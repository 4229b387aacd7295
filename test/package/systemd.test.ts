/**
 * The units on a real systemd, from the package: start, status, reload, what the
 * watchdog does, kill -9, a second instance, a reboot. One machine for all of it, in this
 * order. 30 s on a quiet machine, and a minute more when the image has to be made.
 */
import { basename } from "node:path";
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { until } from "../system/waiting.ts";
import { startMachine } from "./machine.ts";
import { buildBinary, buildPackage } from "./packages.ts";

/** Above it systemd calls a service exposed; tenths of its points. */
const MOST_EXPOSED = 20;
const WATCHDOG_SECONDS = 6;
const WAIT_MS = 120_000;

const config = `listener.tcp.default = 0.0.0.0:1883
allow_anonymous = on
`;

await buildBinary();
const deb = await buildPackage(t, { kind: "deb" });
const machine = await startMachine(t);
await machine.put(deb);
await machine.must(`dpkg -i /root/${basename(deb)} && systemctl stop broker`);
await machine.write("/etc/broker/broker.conf", config);

t.test(
	"is as closed as a service that is reached from outside can be",
	async (t) => {
		for (const unit of ["broker.service", "broker@second.service"]) {
			const { code, stdout } = await machine.run(
				`systemd-analyze security --no-pager --threshold=${MOST_EXPOSED} ${unit}`,
			);
			t.equal(code, 0, stdout.trim().split("\n").at(-1) ?? "");
		}
		t.equal(
			await machine.must(
				"systemd-analyze verify broker.service 2>&1 | grep -v man || true",
			),
			"",
		);
	},
);

t.test("is active once clients are served", async (t) => {
	await machine.must("systemctl start broker");
	const client = await connect("first");
	await client.publish("kept/first", "1", 1, true);
	await client.disconnect();
	const status = await machine.must("systemctl status broker --no-pager");
	t.match(status, /Status: "\d+ clients?, [\d.]+k? msg\/s, nothing queued"/);
	const journal = await machine.journal("broker");
	t.notMatch(journal, /Warning/, "the runtime warns of nothing");
	t.equal(
		await machine.must(
			"stat -c '%U %a' /var/lib/broker /run/broker /var/cache/broker",
		),
		"broker 750\n".repeat(3),
	);
});

t.test("its memory may grow to memory_limit", async (t) => {
	const shown = await machine.must(
		"systemctl show -p MemoryMax --value broker",
	);
	const meminfo = await machine.must("grep MemTotal /proc/meminfo");
	const ram = Number(/\d+/.exec(meminfo)?.[0]) * 1024;
	// memory_limit takes at most 80 % of half of it, see broker/memory-plan.ts.
	t.ok(Number(shown) > 1.2 * 0.4 * ram, `${shown.trim()} of ${ram}`);
});

t.test(
	"a reload with a mistake leaves the running broker as it is",
	async (t) => {
		const client = await connect("stays");
		const pid = await mainPid();
		await machine.write(
			"/etc/broker/broker.conf",
			`${config}no_such_key = 1\n`,
		);
		const { code } = await machine.run("systemctl reload broker");
		t.not(code, 0);
		t.match(await machine.journal("broker"), "no_such_key");
		t.equal(await mainPid(), pid);
		await machine.write(
			"/etc/broker/broker.conf",
			`${config}log.level = debug\n`,
		);
		await machine.must("systemctl reload broker");
		await said(/configuration read again.*log\.level/);
		t.equal(await mainPid(), pid);
		await client.publish("kept/second", "2", 1, true);
		await client.disconnect();
	},
);

t.test("a start with a mistake names it", async (t) => {
	await machine.write(
		"/etc/broker/wrong.conf",
		"include_dir = off\nmax_qos = 3\n",
	);
	const { code } = await machine.run("systemctl start broker@wrong");
	t.not(code, 0);
	await machine.run("systemctl stop broker@wrong");
	t.match(await machine.journal("broker@wrong"), /wrong\.conf:2.*max_qos/);
});

t.test("a second instance has everything of its own", async (t) => {
	await machine.write(
		"/etc/broker/second.conf",
		config.replace("1883", "1884"),
	);
	await machine.must("systemctl start broker@second");
	const client = await connect("other", 1884);
	await client.disconnect();
	t.match(
		await machine.journal("broker@second"),
		"data in /var/lib/broker-second",
	);
	await machine.must("systemctl stop broker@second");
	t.notOk(
		(await machine.run("test -e /run/broker-second/heartbeat")).code === 0,
		"it has ended in order",
	);
	t.equal(await machine.must("systemctl is-active broker"), "active\n");
});

t.test("kill -9: started again with all that was acknowledged", async (t) => {
	const pid = await mainPid();
	await machine.must(`kill -9 ${pid}`);
	await restarted(pid);
	await said(
		new RegExp(
			`process before \\(pid ${pid}\\) did not end in order; .* killed or crashed`,
		),
	);
	t.strictSame(await kept(), ["1", "2"]);
});

t.test(
	"a process that stands still is ended by the watchdog, and the next one says so",
	async (t) => {
		await machine.write(
			"/etc/systemd/system/broker.service.d/watchdog.conf",
			`[Service]\nWatchdogSec=${WATCHDOG_SECONDS}s\nTimeoutAbortSec=2s\n`,
		);
		await machine.must("systemctl daemon-reload && systemctl restart broker");
		const pid = await mainPid();
		await machine.must(`sleep ${2 * WATCHDOG_SECONDS}`);
		t.equal(await mainPid(), pid, "a broker that lives is left alone");
		await machine.must(`kill -STOP ${pid}`);
		await restarted(pid);
		await said(
			new RegExp(
				`process before \\(pid ${pid}\\) did not end in order; .*longer than systemd's watchdog waits \\(${WATCHDOG_SECONDS} s\\).*SIGSTOP`,
			),
		);
		t.match(await machine.journal("broker"), /Watchdog timeout/i);
		t.strictSame(await kept(), ["1", "2"]);
	},
);

t.test(
	"a main thread that hangs is told of before the watchdog acts",
	async (t) => {
		await machine.write(
			"/etc/systemd/system/broker.service.d/hang.conf",
			"[Service]\nEnvironment=TEST_REPORT_FILE=/run/broker/report\n",
		);
		await machine.must("systemctl daemon-reload && systemctl restart broker");
		const pid = await mainPid();
		// A pipe without a reader: whoever opens it for writing waits.
		await machine.must(`mkfifo -m 666 /run/broker/report && kill -USR2 ${pid}`);
		await restarted(pid);
		t.not(await mainPid(), pid);
		await said(/main thread has not run for [\d.]+ s: it waits for the system/);
		await said(
			new RegExp(
				`\\(pid ${pid}\\) did not end in order; .* its last words: the main thread has not run`,
			),
		);
		await machine.must(
			"rm -r /run/broker/report /etc/systemd/system/broker.service.d && systemctl daemon-reload",
		);
	},
);

t.test("after a reboot it is there by itself", async (t) => {
	await machine.must("systemctl restart broker");
	await machine.reboot();
	t.equal(await machine.must("systemctl is-active broker"), "active\n");
	t.strictSame(await kept(), ["1", "2"]);
	const since = await machine.must(
		"journalctl -q -b -u broker --no-pager -o cat",
	);
	t.notMatch(since, /did not end in order/, "a reboot ends it in order");
});

t.test("a power cut: all that was acknowledged is there", async (t) => {
	const client = await connect("last");
	await client.publish("kept/third", "3", 1, true);
	await machine.powerCut();
	await machine.start();
	t.strictSame(await kept(), ["1", "2", "3"]);
	await client.closed();
});

function connect(clientId: string, port = 1883) {
	return connectRaw({ host: machine.address, port, clientId });
}

/** The retained messages, once the broker answers. */
async function kept(): Promise<string[]> {
	const client = await connect(`reader-${performance.now()}`);
	await client.subscribe("kept/#", 1);
	await client.publish("end", "", 1);
	const values = () =>
		client.messages.map(({ payload }) => payload.toString()).sort();
	await until(() => values().length >= 2, "retained messages");
	await client.disconnect();
	return values();
}

async function mainPid(): Promise<number> {
	return Number(await machine.must("systemctl show -p MainPID --value broker"));
}

/** Another process is ready. */
async function restarted(before: number): Promise<void> {
	await until(
		async () => {
			const { stdout } = await machine.run("systemctl is-active broker");
			const pid = await mainPid();
			return stdout === "active\n" && pid !== before && pid > 0;
		},
		"the broker runs again",
		WAIT_MS,
	);
}

async function said(words: RegExp): Promise<void> {
	await until(
		async () => words.test(await machine.journal("broker")),
		String(words),
		WAIT_MS,
	);
}
