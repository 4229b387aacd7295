/**
 * `broker doctor` on a real systemd, with the built binary and the real units: what it finds,
 * and that its commands mend it. One machine for all of it, in this order. 40 s on a quiet
 * machine, and a minute more when the image has to be made.
 */
import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import t, { type Test } from "tap";
import { until } from "../system/waiting.ts";
import { startMachine } from "./machine.ts";

const projectRoot = resolve(import.meta.dirname, "../..");
const WAIT_MS = 120_000;
const CONFIG = "/etc/broker/broker.conf";

interface Finding {
	readonly id: string;
	readonly level: string;
	readonly what: string;
	readonly fix?: string;
}

interface Report {
	readonly exitCode: number;
	readonly findings: Finding[];
}

execFileSync(process.execPath, ["build.mjs", "build", process.arch], {
	cwd: projectRoot,
	stdio: "ignore",
});
const machine = await startMachine(t);
await machine.put(
	join(projectRoot, `dist/broker-linux-${process.arch}`),
	"/usr/bin/broker",
);
await machine.put(
	join(projectRoot, "systemd/broker.service"),
	"/lib/systemd/system/",
);
await machine.write(
	"/usr/lib/sysusers.d/broker.conf",
	'u broker - "MQTT broker" /var/lib/broker\n',
);
await machine.must(
	"ln -s broker /usr/bin/brokerctl; systemd-sysusers && systemctl daemon-reload && mkdir -p /etc/broker/conf.d",
);
await machine.write(
	CONFIG,
	"listener.tcp.default = 127.0.0.1:1883\nmax_connections = 1000\n",
);
await machine.must(`chgrp broker ${CONFIG} && chmod 640 ${CONFIG}`);

/** On a busy machine some checks are given up; they are asked again. */
async function examine(t: Test, as = ""): Promise<Finding[]> {
	let findings: Finding[] = [];
	await until(
		async () => {
			const { code, stdout, stderr } = await machine.run(
				`${as} brokerctl doctor --json`,
			);
			t.equal(stderr, "");
			const report: Report = JSON.parse(stdout);
			t.equal(code, report.exitCode);
			findings = report.findings;
			return findings.every(({ id }) => id !== "check-unfinished");
		},
		"every check is done",
		WAIT_MS,
	);
	return findings;
}

async function find(t: Test, id: string, as = "") {
	return (await examine(t, as)).find((finding) => finding.id === id);
}

function answers(): Promise<void> {
	return until(
		async () => (await machine.run("broker ping")).code === 0,
		"the broker answers",
		WAIT_MS,
	);
}

/** Something is wrong, and is not any more once the command has been run that it came with. */
async function isMended(t: Test, id: string, level = "problem") {
	const finding = await find(t, id);
	t.match(finding, { id, level });
	const fix = finding?.fix ?? "";
	t.notMatch(fix, /\bsudo\b/, "root needs none");
	await machine.must(fix);
	t.equal(await find(t, id), undefined, fix);
}

t.test("a service that is neither started nor enabled", async (t) => {
	await isMended(t, "service-inactive", "warning");
	await isMended(t, "service-not-enabled", "warning");
});

t.test("a service that is well", async (t) => {
	const findings = await examine(t);
	const levelOf = (id: string) =>
		findings.find((each) => each.id === id)?.level;
	for (const id of [
		...["running", "service", "user", "config", "ports", "permissions"],
		...["state", "memory", "descriptors"],
	])
		t.equal(levelOf(id), "ok", id);
	t.same(
		findings.filter(({ level }) => level === "problem"),
		[],
	);
	t.match(
		findings.find(({ id }) => id === "user")?.what,
		"broker runs as broker",
	);
});

t.test("a plain user is told what is not visible", async (t) => {
	const findings = await examine(t, "runuser -u nobody --");
	t.match(
		findings.find(({ id }) => id === "admin-socket-forbidden"),
		{ fix: /^sudo usermod -aG broker nobody/ },
	);
	t.match(
		findings.find(({ id }) => id === "config-not-visible"),
		{ level: "note", fix: "sudo broker doctor" },
	);
	t.ok(findings.some(({ id }) => id === "state-not-visible"));
	t.same(
		findings.filter(({ level }) => level === "problem"),
		[],
		"what is not seen is no problem",
	);
});

t.test("a port that another service has", async (t) => {
	await machine.must("systemctl stop broker");
	await machine.must(
		"systemd-run -q --unit=rival broker --set listener.tcp.default=127.0.0.1:1883 --set data_dir=/tmp/rival --set admin.socket=/tmp/rival.sock --set include_dir=off",
	);
	await until(
		async () => (await find(t, "port-in-use")) !== undefined,
		"the rival listens",
		WAIT_MS,
	);
	t.match(await find(t, "port-in-use"), {
		what: /broker \(pid \d+, rival\.service\)/,
	});
	await isMended(t, "port-in-use");
	await machine.must("systemctl start broker");
});

t.test("state of another user", async (t) => {
	await machine.must("chown -R root: /var/lib/broker");
	await isMended(t, "data-dir-not-writable");
	t.equal(
		await machine.must("stat -c %U /var/lib/broker/broker.db"),
		"broker\n",
	);
	await machine.must("chmod 755 /var/lib/broker");
	await isMended(t, "data-dir-open", "warning");
	await machine.must("chmod 666 /run/broker/admin.sock");
	await isMended(t, "admin-socket-open");
});

t.test(
	"a configuration that everybody may change, or nobody read",
	async (t) => {
		await machine.must(`chmod 646 ${CONFIG}`);
		await isMended(t, "config-writable-by-all", "warning");
		await machine.must(`chown root:root ${CONFIG}; chmod 600 ${CONFIG}`);
		await isMended(t, "config-not-readable");
	},
);

t.test("a listener for everybody", async (t) => {
	await machine.write(
		"/etc/broker/conf.d/open.conf",
		"listener.tcp.default = 0.0.0.0:1883\nallow_anonymous = on\n",
	);
	await machine.must("systemctl restart broker");
	await isMended(t, "anonymous-exposed", "warning");
	t.match(await find(t, "plain-text-exposed"), { level: "note" });
});

t.test("a mistake in a file", async (t) => {
	await machine.write("/etc/broker/conf.d/wrong.conf", "\nmax_qoss = 1\n");
	t.match(await find(t, "config-mistake"), {
		what: "/etc/broker/conf.d/wrong.conf:2: max_qoss = 1: there is no such key; did you mean max_qos?",
		fix: "sudoedit /etc/broker/conf.d/wrong.conf && broker config check",
	});
	await machine.must("rm /etc/broker/conf.d/wrong.conf");
});

t.test("limits of the service", async (t) => {
	const folder = "/etc/systemd/system/broker.service.d";
	const small = `${folder}/small.conf`;
	// systemd notices changed files, not new folders.
	await machine.write(small, "[Service]\n");
	await machine.must("systemctl daemon-reload");
	await machine.write(
		small,
		"[Service]\nLimitNOFILE=1024\nMemoryMax=150M\nWatchdogSec=6\n",
	);
	await machine.write(
		"/etc/broker/conf.d/limits.conf",
		"memory_limit = 200MB\nmax_connections = 2000\n",
	);
	t.match(await find(t, "service-not-reloaded"), { level: "warning" });
	await isMended(t, "service-not-reloaded", "warning");
	t.match(await find(t, "service-drop-ins"), { what: /small\.conf/ });
	await isMended(t, "descriptors-low", "note");
	await isMended(t, "memory-limit-above-group");
});

t.test("restarts by systemd and its watchdog", async (t) => {
	await answers();
	await machine.must("systemctl kill -s KILL broker");
	await until(
		async () => (await find(t, "service-restarts")) !== undefined,
		"systemd has started it again",
		WAIT_MS,
	);
	await answers();
	await machine.must("systemctl kill -s STOP broker");
	t.match(await find(t, "broker-silent"), { level: "problem" });
	await until(
		async () => (await find(t, "watchdog-restarts")) !== undefined,
		"the watchdog has ended it",
		WAIT_MS,
	);
});
