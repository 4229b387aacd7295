/**
 * What boards do to a broker, on a real systemd with the built binary: no network, ports
 * that systemd opens, a disk that is read-only or full, state in memory. One machine for all
 * of it. 40 s on a quiet machine.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";
import { connectRaw, RawClient } from "../support/raw-client.ts";
import { until } from "../system/waiting.ts";
import { startMachine } from "./machine.ts";

const projectRoot = resolve(import.meta.dirname, "../..");
const WAIT_MS = 120_000;
const STATE = "/var/lib/broker";
const keeper = {
	port: 1883,
	version: 5,
	clientId: "keeper",
	clean: false,
	sessionExpirySeconds: 3600,
} as const;
const LATE_ADDRESS = "203.0.113.7";
const config = `listener.tcp.default = 0.0.0.0:1883
allow_anonymous = on
`;
/** CONNECT of MQTT 3.1.1 for bash, and the answer in hexadecimal. */
const connectByShell = (host: string, port: number) =>
	`exec 3<>/dev/tcp/${host}/${port} && printf '\\x10\\x0d\\x00\\x04MQTT\\x04\\x02\\x00\\x3c\\x00\\x01c' >&3 && head -c 4 <&3 | od -An -tx1`;

execFileSync(process.execPath, ["build.mjs", "build", process.arch], {
	cwd: projectRoot,
	stdio: "ignore",
});
const machine = await startMachine(t);
await machine.put(
	join(projectRoot, `dist/broker-linux-${process.arch}`),
	"/usr/bin/broker",
);
for (const unit of ["broker.service", "broker.socket"])
	await machine.put(join(projectRoot, "systemd", unit), "/lib/systemd/system/");
await machine.write("/etc/broker/broker.conf", config);
await machine.write(
	"/usr/lib/sysusers.d/broker.conf",
	'u broker - "MQTT broker" /var/lib/broker\n',
);
await machine.must("systemd-sysusers && systemctl daemon-reload");

t.test("starts without network, and serves who comes later", async (t) => {
	machine.network("link", "set", "host0", "down");
	await configure(`listener.tcp.late = ${LATE_ADDRESS}:1884\n`);
	await machine.must("systemctl start broker");
	t.match(await machine.must(connectByShell("127.0.0.1", 1883)), "20 02 00 00");
	t.match(
		await machine.journal("broker"),
		`tcp:late listens on ${LATE_ADDRESS}, an address that this machine does not have now`,
	);
	machine.network("addr", "add", `${LATE_ADDRESS}/32`, "dev", "lo");
	t.match(
		await machine.must(connectByShell(LATE_ADDRESS, 1884)),
		"20 02 00 00",
	);
	machine.network("link", "set", "host0", "up");
	await publish("kept/network", "1");
	await machine.must("systemctl stop broker");
});

t.test("a port that systemd opens refuses nobody", async (t) => {
	await machine.write(
		"/etc/systemd/system/broker.socket.d/port.conf",
		"[Socket]\nListenStream=\nListenStream=0.0.0.0:883\n",
	);
	await configure("");
	await machine.must(
		"systemctl daemon-reload && systemctl start broker.socket",
	);
	const first = new RawClient({ host: machine.address, port: 883 });
	await until(() => !first.socket.connecting, "systemd has taken it");
	await first.connect({ clientId: "first" });
	t.equal(await machine.must("systemctl is-active broker"), "active\n");
	t.match(
		await machine.journal("broker"),
		"listening on mqtt://0.0.0.0:883 (tcp:default)",
	);
	t.equal(
		await machine.must(
			"systemctl show -p CapabilityBoundingSet --value broker",
		),
		"\n",
	);
	const isOver = { value: false };
	const knocking = knock(isOver);
	for (let restart = 0; restart < 3; restart++)
		await machine.must("systemctl restart broker");
	await killBroker();
	isOver.value = true;
	const { served, refused } = await knocking;
	t.strictSame(refused, []);
	t.ok(served > 4, `${served} connections`);
	await machine.must("systemctl stop broker.socket broker");
	await machine.write(
		"/etc/systemd/system/broker.socket.d/port.conf",
		"[Socket]\nListenStream=\nListenStream=883\nFileDescriptorName=\n",
	);
	await machine.must(
		"systemctl daemon-reload && systemctl start broker.socket",
	);
	await machine.run("systemctl start broker");
	t.match(
		await machine.journal("broker"),
		/socket with the name broker\.socket, which is no listener's: put FileDescriptorName=KEY/,
	);
	await machine.must("systemctl stop broker.socket broker");
	await machine.must(
		"rm -r /etc/systemd/system/broker.socket.d && systemctl daemon-reload",
	);
});

t.test("a disk that is read-only: safe mode, until it is mended", async (t) => {
	await configure("");
	await machine.must("systemctl start broker");
	await publish("kept/before", "2");
	await machine.must(`systemctl stop broker
		cp -a ${STATE} /root/state && mount -t tmpfs -o size=64m tmpfs ${STATE}
		cp -a /root/state/. ${STATE}/ && chown broker: ${STATE} && chmod 750 ${STATE}
		mount -o remount,ro ${STATE}`);
	await machine.must("systemctl start broker");
	t.match(await status(), /Status: "safe mode: /);
	t.match(
		await machine.journal("broker"),
		/safe mode: .*read-only.*mount -o remount,rw/,
	);
	await publish("kept/lost", "3");
	await machine.must(`mount -o remount,rw ${STATE}`);
	await machine.must("systemctl restart broker");
	t.notMatch(await status(), "safe mode");
	t.strictSame(await kept(), ["1", "2"], "the state is back");
});

t.test("a disk that is full: told of, and well again by itself", async (t) => {
	await machine.must(`systemctl stop broker
		head -c 200M /dev/zero >${STATE}/filler || true`);
	await machine.must("systemctl start broker");
	t.match(
		await status(),
		/Status: "(safe mode|the database cannot be written)/,
	);
	const isSafe = /Status: "safe mode/.test(await status());
	await machine.must(`rm ${STATE}/filler`);
	if (isSafe) await machine.must("systemctl restart broker");
	await until(
		async () => /Status: "\d+ client/.test(await status()),
		"the status is good",
		WAIT_MS,
	);
	t.strictSame(await kept(), ["1", "2"]);
	await publish("kept/after", "4");
	const client = await connectRaw({ ...keeper, host: machine.address });
	await client.subscribe("kept/+", 1);
	client.destroy();
	await machine.must(`systemctl stop broker && cp -a ${STATE}/. /root/state/`);
	await machine.must(`umount ${STATE} && cp -a /root/state/. ${STATE}/`);
	await machine.must("systemctl start broker");
});

t.test("a clock that is wrong: nothing is lost by it", async (t) => {
	const library = "/usr/lib/libfaketime.so.1";
	await machine.put(hostFaketime(), library);
	for (const time of ["1970-01-01 00:00:30", "2036-02-07 06:28:10"]) {
		await machine.write(
			"/etc/systemd/system/broker.service.d/clock.conf",
			`[Service]\nEnvironment=LD_PRELOAD=${library} "FAKETIME=@${time}" FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC\n`,
		);
		await machine.must("systemctl daemon-reload && systemctl restart broker");
		const year = time.slice(0, 4);
		t.match(await machine.must(`cat ${STATE}/starts.json`), `"at":"${year}-`);
		t.strictSame(await kept(), ["1", "2", "4"], year);
		const client = await connectRaw({ ...keeper, host: machine.address });
		t.ok(client.sessionPresent, "sessions live on");
		client.destroy();
	}
	await machine.must(
		"rm -r /etc/systemd/system/broker.service.d && systemctl daemon-reload && systemctl restart broker",
	);
	t.strictSame(await kept(), ["1", "2", "4"], "when it is right again");
	await machine.must(`systemctl stop broker && cp -a ${STATE}/. /root/state/`);
});

t.test(
	"state in memory: killed, restarted, on a disk that is read-only",
	async (t) => {
		await configure("state = ram+checkpoint\n");
		await machine.must(`mount -t tmpfs -o size=64m tmpfs ${STATE}
		cp -a /root/state/. ${STATE}/ && chown broker: ${STATE} && chmod 750 ${STATE}
		mount -o remount,ro ${STATE}`);
		await machine.must("systemctl start broker");
		t.notMatch(await status(), "safe mode");
		t.strictSame(await kept(), ["1", "2", "4"]);
		await publish("kept/memory", "5");
		await killBroker();
		t.strictSame(await kept(), ["1", "2", "4", "5"], "a kill loses nothing");
		await until(
			async () =>
				/Status: "the state in memory could not be saved/.test(await status()),
			"the status tells of it",
			WAIT_MS,
		);
		const { code, stderr } = await machine.run("broker state checkpoint");
		t.not(code, 0);
		t.match(
			stderr,
			/could not be saved .*mounted read-only.*remount,rw.*systemctl restart broker/,
		);
		await machine.must(`mount -o remount,rw ${STATE}`);
		await machine.must("systemctl restart broker");
		t.strictSame(await kept(), ["1", "2", "4", "5"], "a restart neither");
		t.match(await machine.must("broker state checkpoint"), "is on the disk");
		t.match(
			await machine.must("broker status"),
			/state +in memory: .* in \/run\/broker\/.*saved to \/var\/lib\/broker/,
		);
		await machine.must(`mount -o remount,ro ${STATE}`);
		await publish("kept/unsaved", "6");
		await machine.run("systemctl stop broker");
		t.match(
			await machine.journal("broker"),
			/the state stays in \/run\/broker\/.*where the next start finds it/,
		);
		await machine.must(
			`mount -o remount,rw ${STATE} && systemctl start broker`,
		);
		t.strictSame(
			await kept(),
			["1", "2", "4", "5", "6"],
			"a stop that cannot save neither",
		);
		await machine.must("systemctl stop broker");
		t.equal(await machine.must("ls -A /run/broker | grep state || true"), "");
		await configure("");
		await machine.must("systemctl start broker");
		t.strictSame(
			await kept(),
			["1", "2", "4", "5", "6"],
			"with state = disk too",
		);
	},
);

function hostFaketime(): string {
	const found = ["x86_64", "aarch64"]
		.map((each) => `/usr/lib/${each}-linux-gnu/faketime/libfaketime.so.1`)
		.find((path) => existsSync(path));
	if (found === undefined)
		throw new Error("libfaketime is missing: npm run setup:test");
	return found;
}

/** Resolves when another process serves clients. */
async function killBroker(): Promise<void> {
	const find = "systemctl show -p MainPID --value broker";
	const before = await machine.must(find);
	await machine.must(`kill -9 ${before}`);
	await until(
		async () => {
			const pid = await machine.must(find);
			const { code } = await machine.run("systemctl is-active broker");
			return code === 0 && pid !== before && Number(pid) > 0;
		},
		"it is there again",
		WAIT_MS,
	);
}

async function configure(more: string): Promise<void> {
	await machine.write("/etc/broker/broker.conf", config + more);
}

function status(): Promise<string> {
	return machine.must("systemctl status broker --no-pager");
}

function connect(clientId: string) {
	return connectRaw({ host: machine.address, port: 1883, clientId });
}

async function publish(topic: string, value: string): Promise<void> {
	const client = await connect("publisher");
	await client.publish(topic, value, 1, true);
	await client.disconnect();
}

/** The retained messages. */
async function kept(): Promise<string[]> {
	const client = await connect("reader");
	await client.subscribe("kept/#", 1);
	await client.publish("kept/~end", "end", 1);
	const values = () =>
		client.messages.map(({ payload }) => payload.toString()).sort();
	await until(() => values().includes("end"), "the end");
	await until(() => values().length > 1, "retained messages");
	await client.disconnect();
	return values().filter((value) => value !== "end");
}

/** Connects, speaks and leaves, again and again. */
async function knock(isOver: { readonly value: boolean }) {
	const refused: string[] = [];
	let served = 0;
	while (!isOver.value) {
		const client = new RawClient({ host: machine.address, port: 883 });
		client.socket.on("error", ({ message }) => {
			if (/REFUSED/.test(message)) refused.push(message);
		});
		try {
			await client.connect({ clientId: "knocking" });
			await client.disconnect();
			served++;
		} catch {
			// It was connected when the broker ended.
		}
	}
	return { served, refused };
}
