/** What systemd says, what is gathered, and what is printed. */
import t from "tap";
import type { Finding } from "../../../../src/cli/doctor/finding.ts";
import { gather } from "../../../../src/cli/doctor/gather.ts";
import {
	asJson,
	asText,
	exitCodeOf,
	inOrder,
} from "../../../../src/cli/doctor/report.ts";
import { runningBroker, service } from "../../../../src/cli/doctor/service.ts";
import {
	editUnit,
	restart,
	setKey,
} from "../../../../src/cli/doctor/situation.ts";
import { inShell } from "../../../../src/cli/in-shell.ts";
import { loadWithMistakes } from "../../../../src/config/config.ts";
import { CommandFailure } from "../../../../src/platform/command.ts";
import { version } from "../../../../src/platform/version.ts";
import { optionsOf } from "../../config/load.ts";
import { idsOf, RecordedMachine, situationOf, troubles } from "./recorded.ts";

const active = {
	ActiveState: "active",
	SubState: "running",
	UnitFileState: "enabled",
	NRestarts: "0",
};

t.test("the service", async (t) => {
	const ids = (unit: object, running = true) =>
		idsOf(service, {
			unit: { ...active, ...unit },
			...(running ? { running: {} } : {}),
		});
	t.same(await idsOf(service, {}), [], "no word without systemd");
	t.same(await ids({}), ["ok service"]);
	t.same(await ids({}, false), ["problem broker-silent"]);
	t.same(await ids({ ActiveState: "failed", Result: "exit-code" }, false), [
		"problem service-failed",
	]);
	const again = { ActiveState: "activating", SubState: "auto-restart" };
	t.same(await ids(again, false), ["problem service-failed"]);
	t.same(await ids({ ActiveState: "inactive" }, false), [
		"warning service-inactive",
	]);
	t.same(await ids({ ActiveState: "inactive" }), ["warning service-beside"]);
	t.same(await ids({ UnitFileState: "disabled" }), [
		"ok service",
		"warning service-not-enabled",
	]);
	t.same(await ids({ UnitFileState: "masked" }), [
		"ok service",
		"problem service-masked",
	]);
	t.same(await ids({ NeedDaemonReload: "yes" }), [
		"ok service",
		"warning service-not-reloaded",
	]);
	t.same(await ids({ WatchdogUSec: "0" }), [
		"ok service",
		"note service-without-watchdog",
	]);
	const DropInPaths = "/etc/systemd/system/broker.service.d/a.conf";
	t.match(
		await troubles(service, {
			unit: { ...active, NRestarts: "3", DropInPaths },
			running: {},
		}),
		[
			{ id: "service-restarts", what: /again 3 times/ },
			{ id: "service-drop-ins", what: DropInPaths },
		],
	);
});

t.test("what the watchdog has done", async (t) => {
	const log =
		"2026-11-21T09:12:01+0000 pi systemd[1]: broker.service: Watchdog timeout (limit 1min)!\n" +
		"2026-11-21T09:12:02+0000 pi systemd[1]: broker.service: Killing process 77 (broker) with signal SIGABRT.\n";
	t.match(
		await troubles(service, {
			unit: active,
			running: {},
			outputs: { "journalctl -u broker": log },
		}),
		[{ id: "watchdog-restarts", what: /once since the boot.*09:12:01/ }],
	);
});

t.test("the running broker and its version", async (t) => {
	t.same(await idsOf(runningBroker, { running: { version } }), ["ok running"]);
	t.match(
		await troubles(runningBroker, { running: { version: "0.0.9" }, unit: {} }),
		[{ id: "version-differs", fix: "sudo systemctl restart broker" }],
	);
	t.match(await troubles(runningBroker, { silence: "no broker answers" }), [
		{ id: "not-running", level: "note" },
	]);
});

const shown = (facts: Record<string, string>) =>
	Object.entries(facts)
		.map(([key, value]) => `${key}=${value}\n`)
		.join("");
const PASSWD =
	"root:x:0:0:root:/root:/bin/bash\nbroker:x:990:991::/nonexistent:/bin/false\n";
const absent = {
	ask: async () => {
		throw new CommandFailure("no broker answers", 69);
	},
};

t.test("a service that does not run is looked at as the service", async (t) => {
	const machine = new RecordedMachine({
		texts: {
			"/etc/passwd": PASSWD,
			"/etc/group": "broker:x:991:\ndialout:x:20:broker,pi\n",
		},
		outputs: {
			"systemctl show broker.service": shown({
				Id: "broker.service",
				LoadState: "loaded",
				ActiveState: "inactive",
				User: "broker",
				StateDirectory: "broker",
			}),
		},
	});
	const found = await gather(machine, absent, optionsOf(), loadWithMistakes);
	t.match(found, {
		running: null,
		silence: "no broker answers",
		dataDir: "/var/lib/broker",
		brokerUser: { name: "broker", uid: 990, gid: 991, groups: [20] },
		unit: { ActiveState: "inactive" },
	});
	t.equal(found.config.settings["admin.socket"], "/run/broker/admin.sock");
});

t.test("a broker that was started by hand is looked at as it is", async (t) => {
	const machine = new RecordedMachine({
		texts: {
			"/etc/passwd": PASSWD,
			"/proc/77/status":
				"Name:\tbroker\nUid:\t0\t990\t0\t0\nGid:\t991\t991\t0\t0\nGroups:\t20 44 \n",
			"/proc/77/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
		},
		outputs: { "systemctl show": shown({ LoadState: "not-found" }) },
	});
	const broker = {
		ask: async () => ({ pid: 77, version: "1", dataDir: "/home/pi/data" }),
	};
	t.match(await gather(machine, broker, optionsOf(), loadWithMistakes), {
		running: { pid: 77 },
		unit: null,
		dataDir: "/home/pi/data",
		brokerUser: { name: "broker", uid: 990, gid: 991, groups: [20, 44] },
	});
});

t.test(
	"a second instance is found by its file and by its process",
	async (t) => {
		const facts = { LoadState: "loaded", StateDirectory: "broker-two" };
		const Id = "broker@two.service";
		const outputs = { [`systemctl show ${Id}`]: shown({ ...facts, Id }) };
		const byFile = new RecordedMachine({ outputs });
		const options = optionsOf({ file: "/etc/broker/two.conf" });
		t.match(await gather(byFile, absent, options, loadWithMistakes), {
			unit: { Id },
			dataDir: "/var/lib/broker-two",
		});
		const byProcess = new RecordedMachine({
			outputs,
			texts: {
				"/proc/77/cgroup": `0::/system.slice/system-broker.slice/${Id}\n`,
			},
		});
		const broker = {
			ask: async () => ({ pid: 77, version: "1", dataDir: "/d" }),
		};
		t.match(await gather(byProcess, broker, optionsOf(), loadWithMistakes), {
			unit: { Id },
		});
	},
);

t.test("a broker that does not answer keeps nobody waiting", async (t) => {
	const silent = { ask: () => new Promise<never>(() => {}) };
	const found = await gather(
		new RecordedMachine({}),
		silent,
		optionsOf(),
		loadWithMistakes,
	);
	t.match(found, { running: null, silence: /no answer within/ });
});

t.test(
	"the commands that set a key, change the service, start it anew",
	async (t) => {
		const folder = t.testdir({
			"off.conf": "include_dir = off\n",
			"more of it": { "a.conf": "include_dir = ../parts\n" },
			parts: {},
		});
		const fixWith = (file: string) => {
			const { config } = loadWithMistakes(optionsOf({ file }));
			return setKey({ config, running: null }, "max_qos", "1");
		};
		t.equal(
			fixWith(`${folder}/off.conf`),
			`echo 'max_qos = 1' | sudo tee -a ${folder}/off.conf`,
		);
		t.equal(
			fixWith(`${folder}/more of it/a.conf`),
			`sudo mkdir -p ${folder}/parts && echo 'max_qos = 1' | sudo tee -a ${folder}/parts/zz-doctor.conf`,
		);
		t.equal(inShell("/it's"), "'/it'\\''s'");
		const none = situationOf({ running: {} });
		t.match(setKey(none, "max_qos", "1"), /--set max_qos=1/);
		t.equal(restart(none), "stop the broker, and start it again");
		t.match(
			editUnit(situationOf({ unit: { Id: "broker@two.service" } }), "User=x"),
			/broker@two\.service\.d && printf '\[Service\]\\nUser=x\\n' \| sudo tee .*zz-doctor-user\.conf && sudo systemctl daemon-reload && sudo systemctl restart broker@two$/,
		);
	},
);

const findings: Finding[] = [
	{ id: "fine", level: "ok", what: "all there" },
	{ id: "odd", level: "warning", what: "odd", why: "because", fix: "sudo x" },
	{ id: "odd", level: "warning", what: "odd" },
	{ id: "bad", level: "problem", what: "p\u001b[31m", fix: "sudo a && sudo b" },
];

t.test("the report", async (t) => {
	const ordered = inOrder(findings);
	t.same(
		ordered.map(({ id }) => id),
		["bad", "odd", "fine"],
	);
	t.equal(
		asText(ordered, false),
		"PROBLEM  p\\u001b[31m\n         -> sudo a && sudo b\n\n" +
			"WARNING  odd\n         because\n         -> sudo x\n\n" +
			"ok       all there\n1 problem and 1 warning\n",
	);
	t.match(asText(ordered, true), "-> a && b\n", "root needs no sudo");
	t.same(JSON.parse(asJson(ordered.slice(1), false)), {
		exitCode: 1,
		findings: [findings[1], findings[0]],
	});
	t.equal(exitCodeOf(findings), 2);
	t.equal(exitCodeOf(findings.slice(0, 1)), 0);
	t.equal(exitCodeOf([{ id: "n", level: "note", what: "" }]), 0);
});

t.test("words are wrapped to 80 columns, commands are not", async (t) => {
	const words = "many words that do not fit ".repeat(10);
	const fix = "x".repeat(100);
	const lines = asText(
		[{ id: "i", level: "note", what: words, why: words, fix }],
		true,
	).split("\n");
	t.ok(lines.every((line) => line.length <= 80 || line.endsWith(fix)));
});
