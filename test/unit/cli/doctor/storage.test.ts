/** File systems, space, owners, state and the kernel's log, from recordings. */
import t from "tap";
import { configuration } from "../../../../src/cli/doctor/configuration.ts";
import { kernelLog } from "../../../../src/cli/doctor/kernel-log.ts";
import { mounts } from "../../../../src/cli/doctor/mounts.ts";
import { owners, user } from "../../../../src/cli/doctor/owners.ts";
import { space } from "../../../../src/cli/doctor/space.ts";
import { state } from "../../../../src/cli/doctor/state.ts";
import { APPLICATION_ID } from "../../../../src/store/schema.ts";
import { type Given, idsOf, troubles } from "./recorded.ts";

const MB = 1024 * 1024;
const MOUNTS = "/proc/self/mountinfo";
const DATA = "/var/lib/broker";
const root = (options = "rw,noatime", type = "ext4", superOptions = "rw") =>
	`22 1 179:2 / / ${options} shared:1 - ${type} /dev/mmcblk0p2 ${superOptions}\n`;
const at = (point: string, type: string, source = "none") =>
	`${root()}36 22 0:33 / ${point} rw,relatime shared:9 - ${type} ${source} rw\n`;

t.test("file systems that cannot be written, or do not keep", async (t) => {
	const ids = (text: string) => idsOf(mounts, { texts: { [MOUNTS]: text } });
	t.same(await ids(root()), ["ok file-system"]);
	t.same(await ids(root("ro,noatime")), ["problem mount-read-only"]);
	t.same(await ids(root("rw", "ext4", "ro,errors=remount-ro")), [
		"problem mount-read-only",
	]);
	t.same(await ids(at("/var/lib", "nfs4", "nas:/export")), [
		"problem file-system-unsafe",
	]);
	t.same(await ids(at(DATA, "cifs")), ["problem file-system-unsafe"]);
	t.same(await ids(at("/var", "vfat")), ["warning file-system-unsafe"]);
	t.same(await ids(at("/var/lib", "tmpfs")), ["warning file-system-volatile"]);
	t.same(await ids(root("rw", "overlay")), ["note file-system-layered"]);
	t.same(await ids(root("rw", "ext4", "rw,nobarrier")), [
		"warning mount-without-barriers",
	]);
	t.same(await ids(at("/var/lib/brokers", "tmpfs")), ["ok file-system"]);
	t.same(await ids(at("/var/lib", "tmpfs") + at(DATA, "ext4")), [
		"ok file-system",
	]);
	const [found] = await troubles(mounts, {
		texts: { [MOUNTS]: at("/var/my\\040data", "vfat") },
		dataDir: "/var/my data/broker",
	});
	t.match(found?.what, "is on /var/my data, which is vfat");
});

t.test("free space and inodes", async (t) => {
	const files = { [DATA]: { kind: "folder" as const } };
	const ids = (freeBytes: number, more: Given = {}) =>
		idsOf(space, { files, space: { freeBytes }, ...more });
	t.same(await ids(8 * MB), ["problem disk-full"]);
	t.same(await ids(100 * MB), ["warning disk-nearly-full"]);
	t.same(await ids(1000 * MB), ["ok space", "note queues-larger-than-disk"]);
	t.same(await ids(9000 * MB), ["ok space"]);
	t.same(await ids(1000 * MB, { sets: ["store.max_bytes=2GB"] }), [
		"warning store-larger-than-disk",
	]);
	const file = { path: "", format: 3, bytes: 1500 * MB, logBytes: 0 };
	t.same(
		await ids(1000 * MB, { sets: ["store.max_bytes=2GB"], running: { file } }),
		["ok space"],
	);
	t.same(
		await idsOf(space, { files, space: { freeInodes: 3, inodes: 65536 } }),
		["ok space", "problem inodes-used-up"],
	);
	t.same(await idsOf(space, { files, space: { freeInodes: 0, inodes: 0 } }), [
		"ok space",
	]);
	t.same(await idsOf(space, { files, unseen: { space: "late" } }), [
		"problem disk-does-not-answer",
	]);
});

t.test("owners of the state", async (t) => {
	const folder = { kind: "folder" as const, uid: 990, gid: 990, mode: 0o750 };
	const well: Given = {
		files: { [DATA]: folder, [`${DATA}/broker.db`]: { uid: 990, mode: 0o640 } },
		folders: { [DATA]: ["broker.db"] },
	};
	t.same(await idsOf(owners, well), ["ok permissions"]);
	const of = (facts: object, given: Given = {}) =>
		idsOf(owners, {
			...well,
			files: { ...well.files, [DATA]: { ...folder, ...facts } },
			...given,
		});
	t.same(await of({ uid: 0, gid: 0 }), ["problem data-dir-not-writable"]);
	t.same(await of({ uid: 0, gid: 990, mode: 0o770 }), ["ok permissions"]);
	t.same(await of({ mode: 0o755 }), ["warning data-dir-open"]);
	t.same(await of({ kind: "file" }), ["problem data-dir-no-folder"]);
	t.same(await of({ uid: 0 }, { brokerUser: { uid: 0 } }), ["ok permissions"]);
	const rootsFile = {
		...well.files,
		[`${DATA}/broker.db`]: { uid: 0, mode: 0o640 },
	};
	t.match(await troubles(owners, { ...well, files: rootsFile }), [
		{ id: "state-wrong-owner", fix: `sudo chown -R broker: ${DATA}` },
	]);
	const parent = { "/var/lib": { kind: "folder" as const, mode: 0o755 } };
	t.match(await troubles(owners, { files: parent }), [
		{ id: "data-dir-missing", level: "problem", fix: /install -d -o broker/ },
	]);
	t.same(
		await idsOf(owners, { files: parent, unit: { StateDirectory: "broker" } }),
		["ok permissions"],
	);
	t.same(await idsOf(owners, { unseen: { [DATA]: "forbidden" } }), [
		"note state-not-visible",
	]);
});

t.test("owners of configuration and admin socket", async (t) => {
	const file = `${t.testdir({ "broker.conf": "" })}/broker.conf`;
	const { situationOf } = await import("./recorded.ts");
	const look = async (facts: object) => {
		const given = { files: { [file]: facts }, unit: { StateDirectory: "b" } };
		const situation = situationOf(given);
		const config = { ...situation.config, files: [file] };
		const findings = await owners.look({ ...situation, config });
		return findings.map(({ id }) => id);
	};
	t.same(await look({ uid: 0, gid: 990, mode: 0o640 }), ["permissions"]);
	t.same(await look({ uid: 0, gid: 0, mode: 0o640 }), ["config-not-readable"]);
	t.same(await look({ uid: 0, gid: 0, mode: 0o666 }), [
		"config-writable-by-all",
	]);
	const sets = ["admin.socket=/run/broker/admin.sock"];
	const unit = { StateDirectory: "broker" };
	const socket = { kind: "socket" as const, mode: 0o666 };
	const files = { "/run/broker/admin.sock": socket };
	t.same(await idsOf(owners, { sets, unit, files }), [
		"problem admin-socket-open",
	]);
	const silence = "no broker answers; tried /run/x (not for this user: ...)";
	t.match(await troubles(owners, { sets, unit, silence }), [
		{ id: "admin-socket-forbidden", fix: /usermod -aG broker pi/ },
	]);
});

t.test("the user that the broker runs as", async (t) => {
	const unit = { User: "broker" };
	t.same(await idsOf(user, { running: {}, unit }), ["ok user"]);
	t.same(await idsOf(user, {}), []);
	const brokerUser = { uid: 0, name: "root" };
	t.match(await troubles(user, { running: {}, unit, brokerUser }), [
		{ id: "wrong-user", fix: /kill 4711.*chown -R broker:/ },
	]);
	t.same(await idsOf(user, { running: {}, brokerUser }), [
		"warning runs-as-root",
	]);
});

function header(format: number, application = APPLICATION_ID): Buffer {
	const bytes = Buffer.alloc(100);
	bytes.write("SQLite format 3\0", "latin1");
	bytes.writeUInt32BE(format, 60);
	bytes.writeUInt32BE(application, 68);
	return bytes;
}

t.test("the state of a broker that does not run", async (t) => {
	const path = `${DATA}/broker.db`;
	const ids = (bytes: Buffer | string, texts: Record<string, string> = {}) =>
		idsOf(state, { texts: { [path]: bytes, ...texts } });
	t.same(await ids(header(2)), ["ok state"]);
	t.same(await idsOf(state, {}), ["ok state-none"]);
	t.same(await ids(header(99)), ["problem state-newer"]);
	t.same(await ids(header(0, 0)), ["ok state"], "all is in its log");
	t.same(await ids(""), ["ok state"]);
	t.same(await ids(header(2, 1)), ["problem state-foreign"]);
	t.same(await ids("not a database, whatever it is called"), [
		"problem state-damaged",
	]);
	t.same(await ids(header(2), { [`${path}.damaged`]: "" }), [
		"warning state-damaged",
	]);
	const starts = JSON.stringify([
		{ pid: 1, at: "2026-11-20T10:00:00Z", boot: "b", isReady: true, end: "" },
		{
			pid: 2,
			at: "2026-11-21T10:00:00Z",
			boot: "b",
			isReady: false,
			end: "no",
		},
	]);
	t.match(
		await troubles(state, {
			texts: { [path]: header(2), [`${DATA}/starts.json`]: starts },
		}),
		[{ id: "failed-starts", what: /2026-11-21T10:00:00Z.*: no/ }],
	);
	const cut = starts.replace('"end":"no"', '"end":""');
	const boot = "/proc/sys/kernel/random/boot_id";
	const file = `${DATA}/starts.json`;
	t.same(await ids(header(2), { [file]: cut, [boot]: "a\n" }), ["ok state"]);
	t.same(await ids(header(2), { [file]: cut, [boot]: "b\n" }), [
		"warning failed-starts",
	]);
	t.same(await ids(header(2), { [`${DATA}/starts.json`]: "[{" }), ["ok state"]);
	t.same(await idsOf(state, { sets: ["persistence=off"] }), [
		"note state-in-memory",
	]);
});

t.test("what is in quarantine", async (t) => {
	const with1 = (name: string) =>
		idsOf(state, {
			folders: { [`${DATA}/quarantine`]: [name, `${name}-wal`] },
		});
	t.same(await with1("broker.db.2026-11-19T10-00-00-000Z"), [
		"ok state-none",
		"warning state-quarantined",
	]);
	t.same(await with1("broker.db.2026-01-19T10-00-00-000Z-2"), [
		"ok state-none",
		"note state-quarantined",
	]);
});

t.test("what the running broker says of its state", async (t) => {
	const degraded = { trouble: "", seconds: 0, isRefusing: false, refused: 0 };
	t.same(await idsOf(state, { running: { degraded, alarms: [] } }), [
		"ok state",
	]);
	const durability = { mode: "memory" as const, lossWindowMs: null };
	const alarms = ["safe mode: sessions are in memory only"];
	t.match(
		await troubles(state, { running: { durability, alarms, degraded } }),
		[{ id: "safe-mode", level: "problem", what: /safe mode/ }],
	);
	const trouble = { ...degraded, trouble: "disk full", seconds: 90 };
	t.match(
		await troubles(state, {
			running: { degraded: trouble, alarms: ["disk full"] },
		}),
		[{ id: "store-degraded", what: /for 1 min 30 s: disk full/ }],
	);
});

t.test("errors in the kernel's log", async (t) => {
	const recorded = [
		"[  812.1] mmc0: Card stuck being busy! __mmc_poll_for_busy",
		"[ 1201.5] blk_update_request: I/O error, dev mmcblk0, sector 2048 op 0x1:(WRITE)",
		"[ 1201.6] EXT4-fs error (device mmcblk0p2): ext4_journal_check_start:83: Detected aborted journal",
		"[ 1201.7] EXT4-fs (mmcblk0p2): Remounting filesystem read-only",
		"[    9.2] nvme0: controller is down; will reset: CSTS=0xffffffff",
		"[   77.3] ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x0",
		"[   78.0] sd 0:0:0:0: [sda] tag#5 critical medium error, dev sda, sector 12",
		"[   79.0] JBD2: Detected IO errors while flushing file data on sda1-8",
	];
	for (const line of recorded) {
		const [found] = await troubles(kernelLog, { outputs: { dmesg: line } });
		t.match(found, { id: "storage-errors", level: "problem" }, line);
	}
	const [all] = await troubles(kernelLog, {
		outputs: { dmesg: recorded.slice(0, 3).join("\n") },
	});
	t.match(all?.what, /3 errors of the storage \(mmcblk0\), the last one: /);
	const harmless = [
		"[    1.0] EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode",
		"[    1.2] mmc0: new ultra high speed DDR50 SDHC card at address 0001",
		"[    2.0] EXT4-fs (mmcblk0p2): re-mounted. Opts: (null)",
		"[    3.0] usb 1-1: new high-speed USB device number 2",
	].join("\n");
	t.same(await idsOf(kernelLog, { outputs: { dmesg: harmless } }), [
		"ok kernel-log",
	]);
	t.same(
		await idsOf(kernelLog, {
			outputs: { "journalctl -k -b": recorded[1] ?? "" },
		}),
		["problem storage-errors"],
		"without dmesg the journal is read",
	);
	t.same(await idsOf(kernelLog, {}), ["note kernel-log-hidden"]);
	const drops =
		"[ 12.3] hwmon hwmon1: Undervoltage detected!\n[ 14.3] hwmon hwmon1: Voltage normalised\n[ 99.1] Under-voltage detected! (0x00050005)";
	t.match(await troubles(kernelLog, { outputs: { dmesg: drops } }), [
		{ id: "voltage-drops", what: /2 times/ },
	]);
	const killed =
		"[ 99.1] Out of memory: Killed process 812 (broker) total-vm:1059108kB";
	t.same(await idsOf(kernelLog, { outputs: { dmesg: killed } }), [
		"warning killed-for-memory",
	]);
	const other = killed.replace("broker", "chromium");
	t.same(await idsOf(kernelLog, { outputs: { dmesg: other } }), [
		"ok kernel-log",
	]);
});

t.test("mistakes of the configuration, secrets left out", async (t) => {
	const sets = ["max_qos=7", "log.levle=info"];
	const found = await troubles(configuration, { sets });
	t.match(found, [
		{ id: "config-mistake", level: "problem", what: /max_qos = 7/ },
		{ what: /did you mean log\.level\?/ },
	]);
	t.same(await idsOf(configuration, {}), ["ok config"]);
	const secret = await troubles(configuration, {
		sets: ["distributed_cookie=monster"],
	});
	t.match(secret, [{ id: "config-notice", level: "note" }]);
	t.notMatch(JSON.stringify(secret), "monster");
});
