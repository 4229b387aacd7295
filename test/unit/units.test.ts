/** The units of systemd: what is true of one instance is true of the next. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";

const folder = resolve(import.meta.dirname, "../../systemd");

t.test("a second instance differs in its names only", async (t) => {
	const names: readonly (readonly [string, string])[] = [
		["Description=MQTT broker", "Description=MQTT broker %i"],
		[
			"ExecStartPre=/usr/bin/broker --check-config",
			"ExecStartPre=/usr/bin/broker --check-config -c /etc/broker/%i.conf",
		],
		[
			"ExecStart=/usr/bin/broker",
			"ExecStart=/usr/bin/broker -c /etc/broker/%i.conf",
		],
		[
			"ExecReload=/usr/bin/broker --check-config",
			"ExecReload=/usr/bin/broker --check-config -c /etc/broker/%i.conf",
		],
		["StateDirectory=broker", "StateDirectory=broker-%i"],
		["CacheDirectory=broker", "CacheDirectory=broker-%i"],
		["RuntimeDirectory=broker", "RuntimeDirectory=broker-%i"],
	];
	const first = settings("broker.service");
	const wanted = first.map(
		(line) => names.find(([one]) => one === line)?.[1] ?? line,
	);
	t.strictSame(settings("broker@.service"), wanted);
	for (const [line] of names) t.ok(first.includes(line), line);
});

t.test("what the broker relies on is there", async (t) => {
	const lines = settings("broker.service");
	for (const line of [
		"Type=notify",
		"RuntimeDirectoryPreserve=yes", // the heartbeat of the process before, its state in memory
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
	])
		t.ok(lines.includes(line), line);
	t.notOk(
		lines.some((line) => line.startsWith("MemoryDenyWriteExecute=")),
		"the runtime ends where it may not compile",
	);
});

/** Without comments and empty lines. */
function settings(name: string): string[] {
	return readFileSync(join(folder, name), "utf8")
		.split("\n")
		.filter((line) => line !== "" && !line.startsWith("#"));
}
