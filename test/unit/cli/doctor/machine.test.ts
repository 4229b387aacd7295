/** Clock, power and memory, from recordings of a Raspberry Pi and others. */
import t from "tap";
import { memory } from "../../../../src/cli/doctor/memory.ts";
import { power } from "../../../../src/cli/doctor/power.ts";
import { time } from "../../../../src/cli/doctor/time.ts";
import { type Given, idsOf, troubles } from "./recorded.ts";

const MB = 1024 * 1024;

t.test("voltage and heat of a Raspberry Pi", async (t) => {
	const ids = (hex: string) =>
		idsOf(power, {
			outputs: { "vcgencmd get_throttled": `throttled=${hex}\n` },
		});
	t.same(await ids("0x0"), ["ok power"]);
	t.same(await ids("0x50005"), ["problem low-voltage", "warning throttled"]);
	t.same(await ids("0x50000"), ["warning low-voltage", "warning throttled"]);
	t.same(await ids("0x80008"), ["warning too-hot"]);
	t.same(await ids("0x20002"), ["warning frequency-capped"]);
	t.same(await ids("0x80000"), ["warning too-hot"]);
	const file = "/sys/devices/platform/soc/soc:firmware/get_throttled";
	t.match(await troubles(power, { texts: { [file]: "50000\n" } }), [
		{
			id: "low-voltage",
			what: "the voltage was too low at times since the boot",
		},
		{ what: "the processor was throttled at times since the boot" },
	]);
	const hwmon = (alarm: string) =>
		idsOf(power, {
			folders: { "/sys/class/hwmon": ["hwmon0", "hwmon1"] },
			texts: {
				"/sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
				"/sys/class/hwmon/hwmon1/name": "rpi_volt\n",
				"/sys/class/hwmon/hwmon1/in0_lcrit_alarm": `${alarm}\n`,
			},
		});
	t.same(await hwmon("1"), ["problem low-voltage"]);
	t.same(await hwmon("0"), []);
	t.same(await idsOf(power, {}), [], "nothing is said of other machines");
});

t.test("the clock", async (t) => {
	const shown = (synced: string, ntp: string) => ({
		"timedatectl show": `Timezone=Europe/Berlin\nLocalRTC=no\nCanNTP=yes\nNTP=${ntp}\nNTPSynchronized=${synced}\n`,
	});
	const folders = { "/sys/class/rtc": ["rtc0"] };
	const ids = (given: Given) => idsOf(time, { folders, ...given });
	t.same(await ids({ outputs: shown("yes", "yes") }), ["ok clock"]);
	t.match(await troubles(time, { folders, outputs: shown("no", "yes") }), [
		{ id: "clock-unsynchronised", fix: /timesync-status/ },
	]);
	t.match(await troubles(time, { folders, outputs: shown("no", "no") }), [
		{ id: "clock-unsynchronised", fix: /set-ntp true/ },
	]);
	t.same(await ids({ outputs: shown("yes", "yes"), folders: {} }), [
		"ok clock",
		"note clock-without-battery",
	]);
	t.same(
		await ids({ outputs: shown("no", "yes"), now: "1970-01-01T00:05:00Z" }),
		["problem clock-absurd", "warning clock-unsynchronised"],
	);
	t.same(await ids({}), ["note clock-sync-unknown"]);
	const chrony = "Reference ID    : C0A80101\nLeap status     : Normal\n";
	t.same(await ids({ outputs: { "chronyc -n tracking": chrony } }), [
		"ok clock",
	]);
	t.same(await ids({ files: { "/run/systemd/timesync/synchronized": {} } }), [
		"ok clock",
	]);
});

t.test("the limit of memory, and what bounds it", async (t) => {
	const ids = (given: Given) => idsOf(memory, given);
	t.same(await ids({}), ["ok memory"]);
	const much = { sets: ["memory_limit=1000MB"] };
	t.same(await ids(much), ["warning memory-limit-above-ram"]);
	t.match(
		await troubles(memory, {
			sets: ["memory_limit=300MB"],
			unit: { MemoryMax: String(200 * MB) },
		}),
		[{ id: "memory-limit-above-group", fix: /MemoryMax=377487360/ }],
	);
	t.same(await ids({ ...much, unit: { MemoryMax: "infinity" } }), [
		"warning memory-limit-above-ram",
	]);
	const texts = {
		"/proc/4711/cgroup": "0::/system.slice/docker.scope\n",
		"/sys/fs/cgroup/system.slice/docker.scope/memory.max": "max\n",
		"/sys/fs/cgroup/system.slice/memory.max": String(150 * MB),
	};
	t.same(await ids({ sets: ["memory_limit=200MB"], running: {}, texts }), [
		"problem memory-limit-above-group",
	]);
	const meminfo = "MemTotal:  948304 kB\nMemAvailable:    51200 kB\n";
	t.match(await troubles(memory, { texts: { "/proc/meminfo": meminfo } }), [
		{ id: "memory-short", what: /50\.0 MB are available now/ },
	]);
});

t.test("swap, overcommit and arenas", async (t) => {
	const swaps = (place: string) =>
		`Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${place}  file\t\t102396\t\t0\t\t-2\n`;
	const card = "22 1 179:2 / / rw shared:1 - ext4 /dev/mmcblk0p2 rw\n";
	const disk = card.replace("mmcblk0p2", "sda1");
	const ids = async (place: string, table: string) =>
		(
			await troubles(memory, {
				texts: { "/proc/swaps": swaps(place), "/proc/self/mountinfo": table },
			})
		).map(({ id }) => id);
	t.same(await ids("/var/swap", card), ["swap-on-card"]);
	t.same(await ids("/var/swap", disk), []);
	t.same(await ids("/dev/mmcblk0p3", disk), ["swap-on-card"]);
	t.same(await ids("/dev/zram0", card), []);
	const overcommit = { "/proc/sys/vm/overcommit_memory": "2\n" };
	t.match(await troubles(memory, { texts: overcommit }), [
		{ id: "overcommit-strict" },
	]);
	const environ = (text: string) =>
		troubles(memory, { running: {}, texts: { "/proc/4711/environ": text } });
	const [found] = await environ("HOME=/\0SECRET=monster\0");
	t.equal(found?.id, "malloc-arenas");
	t.notMatch(JSON.stringify(found), "monster");
	t.same(await environ("HOME=/\0MALLOC_ARENA_MAX=2\0"), []);
});
