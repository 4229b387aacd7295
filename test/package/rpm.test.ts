/**
 * The scriptlets of the .rpm, by Debian's rpm on a real systemd: install, upgrade, downgrade,
 * erase. What the system lacks of Fedora's is in no scriptlet; dependencies are not looked at.
 * One machine for all of it, in this order. A minute.
 */
import { basename } from "node:path";
import t from "tap";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import { startMachine } from "./machine.ts";
import { buildBinary, buildPackage } from "./packages.ts";

await buildBinary();
const previous = await buildPackage(t, {
	kind: "rpm",
	version: "0.0.9",
	format: SCHEMA_VERSION - 1,
});
const current = await buildPackage(t, { kind: "rpm" });
const machine = await startMachine(t);
for (const file of [previous, current]) await machine.put(file);

t.test("a system that cannot run it is told so in words", async (t) => {
	// rpm gives its scriptlets a PATH of its own.
	await machine.write("/root/getconf", "#!/bin/sh\necho glibc 2.31\n", "755");
	await machine.must("mount --bind /root/getconf /usr/bin/getconf");
	const { code, stderr } = await rpm("-i", current);
	await machine.must("umount /usr/bin/getconf");
	t.not(code, 0);
	t.match(
		stderr,
		/needs glibc 2\.\d+ or newer, and this system has glibc 2.31/,
	);
	t.not((await machine.run("test -e /usr/bin/broker")).code, 0);
});

t.test("installed, it is ready to be started", async (t) => {
	const { code, stderr } = await rpm("-i", previous);
	t.equal(code, 0, stderr);
	t.equal(await state(), "inactive\nenabled\n", "as the presets here say");
	t.equal(
		await machine.must(
			"stat -c '%U:%G %a' /etc/broker /etc/broker/conf.d /etc/broker/broker.conf",
		),
		"root:root 755\nroot:root 755\nroot:broker 640\n",
	);
	t.equal(await machine.must("rpm -V --nodeps broker || true"), "");
	await machine.must("systemctl start broker");
	t.equal(await state(), "active\nenabled\n");
	t.equal(
		await machine.must("ls /var/cache/broker"),
		"",
		"SQLite comes from the package",
	);
});

t.test(
	"an upgrade restarts it, and keeps its state and an edited configuration",
	async (t) => {
		await machine.must("echo 'max_qos = 1 # mine' >>/etc/broker/broker.conf");
		await machine.must("echo 'log.level = debug' >/etc/broker/conf.d/log.conf");
		const before = await mainPid();
		const { code, stderr } = await rpm("-U", current);
		t.equal(code, 0, stderr);
		t.equal(await state(), "active\nenabled\n");
		t.not(await mainPid(), before);
		t.match(
			await machine.must("tail -n 1 /etc/broker/broker.conf"),
			"max_qos = 1 # mine",
		);
		t.notMatch(await machine.journal("broker"), /did not end in order/);
	},
);

t.test(
	"a version that cannot read the state is refused, and the broker runs on",
	async (t) => {
		const before = await mainPid();
		const { code, stderr } = await rpm("-U --oldpackage", previous);
		t.not(code, 0);
		t.match(
			stderr,
			`/var/lib/broker/broker.db has format ${SCHEMA_VERSION}, written by a newer version; this one (0.0.9) knows up to ${SCHEMA_VERSION - 1}.`,
		);
		t.equal(await mainPid(), before);
		t.equal(await state(), "active\nenabled\n");
	},
);

t.test("after what it says, it is not", async (t) => {
	await machine.must(
		"broker state backup /root/state.backup && systemctl stop broker && broker state reset --yes",
	);
	const { code, stderr } = await rpm("-U --oldpackage", previous);
	t.equal(code, 0, stderr);
	t.equal(await state(), "inactive\nenabled\n", "what is stopped stays so");
	const back = await rpm("-U", current);
	t.equal(back.code, 0, back.stderr);
	await machine.must("systemctl start broker");
});

t.test("erased, it is stopped, and its state stays", async (t) => {
	await machine.must("rpm -e --nodeps broker");
	t.match(await state(), /^inactive\n/);
	await machine.must("test ! -e /usr/bin/broker");
	await machine.must("test -s /var/lib/broker/broker.db");
	t.match(await machine.must("cat /etc/broker/broker.conf.rpmsave"), "# mine");
	t.equal(await machine.must("ls /etc/broker/conf.d"), "log.conf\n");
	t.equal(
		await machine.must("find /etc/systemd/system -name 'broker*'"),
		"",
		"no link is left",
	);
});

/** Runs rpm with a package; Debian's knows nothing of what dpkg has installed. */
function rpm(action: string, file: string) {
	return machine.run(
		`rpm ${action} --nodeps --force-debian /root/${basename(file)}`,
	);
}

/** Two lines: whether it runs, and whether it will at the next start. */
async function state(): Promise<string> {
	const script = "systemctl is-active broker; systemctl is-enabled broker";
	return (await machine.run(script)).stdout;
}

async function mainPid(): Promise<number> {
	return Number(await machine.must("systemctl show -p MainPID --value broker"));
}
