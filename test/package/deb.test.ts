/**
 * The .deb on a real systemd: install, use from outside, upgrade, downgrade, remove, install
 * again, reboot, purge. One machine for all of it, in this order. A minute.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import t from "tap";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import { connectRaw } from "../support/raw-client.ts";
import { until } from "../system/waiting.ts";
import { startMachine } from "./machine.ts";
import { buildBinary, buildPackage, projectRoot } from "./packages.ts";

const execute = promisify(execFile);
const WAIT_MS = 60_000;
/** Of the file that the first version of the store wrote: so many retained messages. */
const OLD_RETAINED = 300;
const OLD_QUEUED = 140;
/** Retained messages after the first start. */
let kept = 0;

await buildBinary();
/** A release from before: it knows the format that a fixture has, and no newer one. */
const previous = await buildPackage(t, {
	kind: "deb",
	version: "0.0.9",
	format: 1,
});
const current = await buildPackage(t, { kind: "deb" });
const next = await buildPackage(t, { kind: "deb", version: "99.0.0" });
const machine = await startMachine(t);
for (const file of [previous, current, next]) await machine.put(file);

t.test("a system that cannot run it is told so in words", async (t) => {
	const cases = [
		{
			fake: "uname",
			says: "armv7l",
			words: /kernel here is armv7l.*Take the package for armv7l/s,
		},
		{
			fake: "getconf",
			says: "glibc 2.31",
			words: /needs glibc 2\.\d+ or newer, and this system has glibc 2\.31/,
		},
		{
			fake: "getconf",
			says: "",
			words: /this system has another C library/,
		},
	];
	for (const { fake, says, words } of cases) {
		await machine.write(
			`/root/fake/${fake}`,
			says === "" ? "#!/bin/sh\nexit 1\n" : `#!/bin/sh\necho ${says}\n`,
			"755",
		);
		const { code, stderr } = await machine.run(
			`PATH=/root/fake:$PATH dpkg -i ${inMachine(current)}`,
		);
		t.not(code, 0);
		t.match(stderr, words);
		t.match(stderr, "Nothing was changed");
		await machine.must("rm -r /root/fake && test ! -e /usr/bin/broker");
	}
});

t.test("installed, it runs and is enabled", async (t) => {
	await machine.must(`apt-get install -qy ${inMachine(previous)}`);
	t.equal(await state(), "active\nenabled\n");
	const files = "/etc/broker /etc/broker/conf.d /etc/broker/broker.conf";
	t.equal(
		await machine.must(`stat -c '%U:%G %a' ${files} /var/lib/broker`),
		"root:root 755\nroot:root 755\nroot:broker 640\nbroker:broker 750\n",
	);
	t.equal(
		await machine.must("ls /var/cache/broker"),
		"",
		"SQLite comes from the package",
	);
	t.match(await machine.must("brokerctl --version"), /^broker \d/);
	t.match(
		await machine.must("broker --licenses"),
		/Apache License.*better-sqlite3.*Node\.js/s,
	);
	t.equal(
		await machine.must(
			"dpkg --verify broker | grep -vE '/usr/share/(doc|man)' || true",
		),
		"",
		"but for documentation, which the machine does without",
	);
	t.match(await machine.must("broker --check-config 2>&1"), /ok|no mistake/i);
});

t.test("is used from outside, by mosquitto's clients", async (t) => {
	await machine.write(
		"/etc/broker/conf.d/network.conf",
		"listener.tcp.default = 0.0.0.0:1883\nallow_anonymous = on\n",
	);
	await machine.must("systemctl restart broker");
	const where = ["-h", machine.address, "-t", "house/hall"];
	const received = execute("mosquitto_sub", [
		...[...where, "-C", "1", "-W", "30"],
		...["-q", "1", "-v"],
	]);
	await execute("mosquitto_pub", [...where, "-m", "21", "-q", "1", "-r"]);
	t.equal((await received).stdout, "house/hall 21\n");
	t.match(
		await machine.must("systemctl status broker --no-pager"),
		/Status: "\d+ clients?,/,
	);
	await machine.must("systemctl reload broker");
	t.equal(await state(), "active\nenabled\n");
});

t.test(
	"an upgrade takes over state of an older format and an edited configuration, and leaves a stopped broker stopped",
	async (t) => {
		await machine.must(
			"systemctl stop broker && rm -r /var/lib/broker && install -d -m 750 -o broker -g broker /var/lib/broker",
		);
		await machine.write(
			"/var/lib/broker/broker.db",
			gunzipSync(
				readFileSync(join(projectRoot, "test/fixtures/state-version-1.db.gz")),
			),
		);
		await machine.must(
			"chown broker: /var/lib/broker/broker.db && echo 'max_qos = 1 # mine' >>/etc/broker/broker.conf",
		);
		await install(current);
		t.equal(await state(), "inactive\nenabled\n");
		await machine.must("systemctl start broker");
		kept = await retained();
		t.ok(kept >= OLD_RETAINED, `${kept} retained messages, and wills of then`);
		const client = await connectRaw({
			host: machine.address,
			port: 1883,
			clientId: "client-1",
			clean: false,
		});
		await until(
			() => client.messages.length >= OLD_QUEUED,
			"what waited in the old file",
			WAIT_MS,
		);
		await client.disconnect();
		t.match(
			await machine.must("tail -n 1 /etc/broker/broker.conf"),
			"max_qos = 1 # mine",
		);
		t.equal(
			await machine.must("stat -c '%U:%G %a' /etc/broker/broker.conf"),
			"root:broker 640\n",
		);
	},
);

t.test("an upgrade restarts a broker that runs, once", async (t) => {
	const before = await mainPid();
	await install(next);
	t.equal(await state(), "active\nenabled\n");
	t.not(await mainPid(), before);
	t.equal(await retained(), kept);
	t.match(await machine.must("cat /etc/broker/broker.conf"), "# mine");
	t.notMatch(await machine.journal("broker"), /did not end in order/);
});

t.test(
	"a version that cannot read the state is refused, and the broker runs on",
	async (t) => {
		const before = await mainPid();
		const { code, stderr } = await machine.run(
			`dpkg -i ${inMachine(previous)}`,
		);
		t.not(code, 0);
		t.match(
			stderr,
			`/var/lib/broker/broker.db has format ${SCHEMA_VERSION}, written by a newer version; this one (0.0.9) knows up to 1.`,
		);
		t.match(stderr, "broker state reset --yes");
		t.equal(await mainPid(), before);
		t.equal(await state(), "active\nenabled\n");
		t.equal(await installed(), "ii 99.0.0-1\n");
		t.equal(await retained(), kept);
	},
);

t.test("state in another place is looked at there", async (t) => {
	await machine.must(
		"mkdir '/srv/my state' && cp /var/lib/broker/broker.db* '/srv/my state'",
	);
	const file = "/etc/broker/conf.d/place.conf";
	await machine.write(file, 'data_dir = "/srv/my state" # a disk\n');
	const { stderr } = await machine.run(`dpkg -i ${inMachine(previous)}`);
	t.match(stderr, "/srv/my state/broker.db has format");
	await machine.must(`rm ${file}`);
});

t.test("one that can read it is not", async (t) => {
	const before = await mainPid();
	await install(current);
	t.equal(await installed(), `ii ${versionOf(current)}\n`);
	t.not(await mainPid(), before);
	t.equal(await retained(), kept);
});

t.test("a disabled broker stays disabled", async () => {
	await machine.must("systemctl disable -q --now broker");
	await install(next);
	t.equal(await state(), "inactive\ndisabled\n");
	await machine.must("systemctl enable -q --now broker");
});

t.test("removed and installed again, it finds its state", async (t) => {
	await machine.must("apt-get remove -qy broker");
	t.equal(await state(), "inactive\n");
	await machine.must("test ! -e /usr/bin/broker");
	await machine.must("test -s /var/lib/broker/broker.db");
	await install(next);
	t.equal(await state(), "active\nenabled\n");
	t.equal(await retained(), kept);
	t.match(await machine.must("cat /etc/broker/broker.conf"), "# mine");
});

t.test("after a reboot it is there by itself", async (t) => {
	await machine.reboot();
	t.equal(await state(), "active\nenabled\n");
	t.equal(await retained(), kept);
});

t.test("purged, it has removed its state and says so", async (t) => {
	await machine.must(
		"mkdir /var/lib/broker-second && systemctl enable -q broker.socket broker@second",
	);
	const said = await machine.must("apt-get purge -qy broker 2>&1");
	for (const folder of [
		"/var/lib/broker",
		"/var/cache/broker",
		"/etc/broker",
	]) {
		t.match(said, `broker: removed ${folder}`);
		t.not((await machine.run(`test -e ${folder}`)).code, 0);
	}
	t.match(said, "/var/lib/broker-second of a further instance is left");
	t.equal(
		await machine.must("find /etc/systemd /var/lib/systemd -name '*broker*'"),
		"",
	);
});

function install(file: string): Promise<string> {
	return machine.must(`dpkg -i ${inMachine(file)}`);
}

function inMachine(file: string): string {
	return `/root/${basename(file)}`;
}

function versionOf(file: string): string {
	return basename(file).split("_")[1] ?? "";
}

/** Two lines: whether it runs, and whether it will at the next start. */
async function state(): Promise<string> {
	const script = "systemctl is-active broker; systemctl is-enabled broker";
	return (await machine.run(script)).stdout;
}

function installed(): Promise<string> {
	return machine.must("dpkg -l broker | awk '/broker/ { print $1, $3 }'");
}

async function mainPid(): Promise<number> {
	return Number(await machine.must("systemctl show -p MainPID --value broker"));
}

/** How many retained messages the broker has. */
async function retained(): Promise<number> {
	const info = JSON.parse(await machine.must("broker state info --json"));
	return info.retainedMessages;
}
