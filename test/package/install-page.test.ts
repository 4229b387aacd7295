/**
 * docs/install.md, typed as it stands: on a machine where mosquitto has been running, the
 * package is installed, everything moves over, and the special places are tried. A minute.
 */
import { execFileSync } from "node:child_process";
import { basename } from "node:path";
import t, { type Test } from "tap";
import { commandsIn, filesIn, section } from "../support/install-page.ts";
import { connectRaw, type RawClient } from "../support/raw-client.ts";
import { startMachine } from "./machine.ts";
import { buildBinary, buildPackage } from "./packages.ts";

const WAIT_MS = 60_000;

/** Those of a real one: other machines are let in, nobody needs a password. */
const mosquittoConf = `persistence true
persistence_location /var/lib/mosquitto/
include_dir /etc/mosquitto/conf.d
`;
const mosquittoLocal = `listener 1883
allow_anonymous true
max_queued_messages 500
password_file /etc/mosquitto/passwd
`;
const mosquittoUnit = `[Service]
Type=notify
ExecStart=/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf
[Install]
WantedBy=multi-user.target
`;

await buildBinary();
const file = await buildPackage(t, { kind: "deb" });
const machine = await startMachine(t);
await machine.put(file);
await installMosquitto();

/** The program of this machine with its libraries: what Debian's package has there. */
async function installMosquitto(): Promise<void> {
	const program = "/usr/sbin/mosquitto";
	const libraries = execFileSync("ldd", [program], { encoding: "utf8" });
	const files = [...libraries.matchAll(/(?:=>\s+)?(\/\S+) \(/g)].map(
		([, path = ""]) => path,
	);
	const archive = execFileSync("tar", ["-chP", program, ...files], {
		maxBuffer: 256 * 1024 * 1024,
		stdio: ["ignore", "pipe", "ignore"],
	});
	const { code, stderr } = await machine.run(
		"tar -xP --skip-old-files && ldconfig && useradd -r mosquitto && install -d -o mosquitto /var/lib/mosquitto",
		archive,
	);
	if (code !== 0) throw new Error(stderr);
	await machine.write("/etc/mosquitto/mosquitto.conf", mosquittoConf);
	await machine.write("/etc/mosquitto/conf.d/local.conf", mosquittoLocal);
	await machine.must(
		"touch /etc/mosquitto/passwd && chmod 644 /etc/mosquitto/passwd",
	);
	await machine.write("/etc/systemd/system/mosquitto.service", mosquittoUnit);
	await machine.must("systemctl daemon-reload");
	await machine.must("systemctl enable --now mosquitto");
}

function client(clientId: string, port = 1883): Promise<RawClient> {
	const host = machine.address;
	return connectRaw({ host, port, clientId, clean: false });
}

/** Types what a part of the page says. @returns what was printed, by command */
async function type(commands: readonly string[]): Promise<Map<string, string>> {
	const said = new Map<string, string>();
	for (const command of commands)
		said.set(
			command,
			await machine.must(`cd /root/trial 2>/dev/null; ${command}`),
		);
	return said;
}

async function writeFilesIn(text: string): Promise<void> {
	for (const { path, lines } of filesIn(text))
		await machine.write(path, `${lines.join("\n")}\n`);
}

/** Of the part of the page that begins with these words, up to the next in bold. */
function step(words: string): string[] {
	const [, rest = ""] = section("Move from mosquitto").split(words);
	const commands = commandsIn(rest.split("\n**")[0] ?? "");
	if (commands.length === 0) throw new Error(`no commands at ${words}`);
	return commands;
}

/** Until it succeeds. */
async function awaitCommand(command: string): Promise<void> {
	const deadline = performance.now() + WAIT_MS;
	for (;;) {
		const { code, stderr } = await machine.run(command);
		if (code === 0) return;
		if (performance.now() > deadline) throw new Error(`${command}: ${stderr}`);
	}
}

async function awaitMessage(t: Test, from: RawClient, topic: string) {
	await from.until(
		() => from.messages.some((message) => message.topic === topic),
		`the message of ${topic}`,
		WAIT_MS,
	);
	t.pass(`${topic} came`);
}

t.test("beside mosquitto, which has the port, it installs", async (t) => {
	const watcher = await client("watcher");
	await watcher.subscribe("house/#", 1);
	await watcher.disconnect();
	const sender = await client("sender");
	await sender.publish("house/kitchen", "21", 1, true);
	await sender.publish("house/door", "open", 1);
	await sender.disconnect();
	await machine.must(`apt-get install -qy ./root/${basename(file)}`);
	t.equal(await active("mosquitto"), "active");
});

t.test("1. look: nothing is written", async (t) => {
	const commands = step("**1. Look.**");
	await type(commands.slice(0, -1));
	await awaitCommand("test -e /var/lib/mosquitto/mosquitto.db");
	const said = await type(commands.slice(-1));
	t.match(
		said.get("broker import mosquitto --dry-run"),
		/max_offline_messages = 500.*WARNING: mosquitto runs/s,
	);
	t.equal((await machine.must("ls /etc/broker/conf.d")).trim(), "");
});

t.test("2. try: both at once on different ports", async (t) => {
	const commands = step("**2. Try");
	const start = commands.findIndex((one) => one.startsWith("broker -c "));
	const before = commands.slice(0, start);
	await type(before.map((one) => one.replaceAll("~", "/root")));
	await machine.must(
		`systemd-run --unit=trial --working-directory=/root/trial ${commands[start]}`,
	);
	await awaitCommand("broker -c /root/trial/other-ports.conf ping");
	const trial = await client("trial", 11883);
	await trial.subscribe("house/kitchen", 1);
	await awaitMessage(t, trial, "house/kitchen");
	await trial.disconnect();
	t.equal(await active("mosquitto"), "active");
	await machine.must("systemctl stop trial");
});

t.test("3. move: clients find their sessions", async (t) => {
	const said = await type(step("**3. Move.**"));
	t.match(said.get("broker import mosquitto"), /2 sessions, 1 subscription/);
	t.match(said.get("broker status"), /retained +1 message/);
	t.equal(await active("broker"), "active");
	t.not(await active("mosquitto"), "active");
	t.equal(
		await machine.must(
			"stat -c '%U:%G %a' /etc/broker/conf.d/mosquitto.conf /var/lib/broker/broker.db",
		),
		"root:broker 640\nbroker:broker 640\n",
	);
	const watcher = await client("watcher");
	t.ok(watcher.sessionPresent);
	await awaitMessage(t, watcher, "house/door");
	await watcher.disconnect();
});

t.test("first steps", async (t) => {
	const commands = commandsIn(section("First steps"));
	t.ok(commands.includes("broker doctor"));
	const said = await type(
		commands.filter((command) => !/^usermod|doctor$/.test(command)),
	);
	// It warns of the port that everybody may use, as mosquitto's was.
	const doctor = await machine.run("broker doctor");
	t.equal(doctor.code, 1, doctor.stdout);
	t.match(doctor.stdout, /WARNING +anybody who reaches 0\.0\.0\.0 port 1883/);
	t.match(said.get("systemctl status broker"), /active \(running\)/);
	t.match(said.get("broker --check-config"), "configuration is valid");
	await machine.must("useradd -m someone && usermod -aG broker someone");
	t.match(
		await machine.must("runuser -u someone -- broker status"),
		/^broker \d/,
	);
});

t.test("a second broker", async (t) => {
	const title = "A second broker";
	const [make = "", ...others] = commandsIn(section(title));
	await machine.must(make);
	const [lab] = filesIn(section(title));
	await machine.must(`cat >${lab?.path} <<'.'\n${lab?.lines.join("\n")}\n.`);
	const said = await type(others);
	t.match([...said.values()].at(-1), /listening +127\.0\.0\.1:1884/);
	t.equal(await active("broker@lab"), "active");
	t.equal(await active("broker"), "active");
});

t.test("a port below 1024, which the broker opens itself", async (t) => {
	const [, ports = ""] = section("Ports below 1024").split("\nOr the broker");
	await writeFilesIn(ports);
	await machine.write(
		"/etc/broker/conf.d/low.conf",
		"listener.tcp.low = 0.0.0.0:443\nlistener.tcp.low.allow_anonymous = on\n",
	);
	await type(commandsIn(ports));
	const low = await client("low", 443);
	await low.disconnect();
	t.equal(await active("broker"), "active");
});

t.test("back up and restore", async (t) => {
	await machine.must("mkdir -p /media/usb");
	const said = await type(
		commandsIn(section("Back up, upgrade, remove")).map((command) =>
			command.replace("state restore", "state restore --yes"),
		),
	);
	t.match([...said.values()].join("\n"), "a complete copy of the state");
	t.equal(await active("broker"), "active");
});

t.test("in memory, saved now and then", async (t) => {
	await writeFilesIn(section("Read-only root"));
	await machine.must("systemctl restart broker");
	await machine.must("broker state checkpoint");
	const watcher = await client("watcher");
	t.ok(watcher.sessionPresent, "the state came along");
	await watcher.disconnect();
});

t.test("let other machines in", async (t) => {
	await machine.must("rm /etc/broker/conf.d/*.conf");
	const opening = commandsIn(section("Let other machines in")).filter(
		(command) => !/^(ufw|firewall-cmd) /.test(command),
	);
	t.equal(opening.length, 3);
	await type(opening);
	const any = await client("anybody");
	await any.disconnect();
	t.pass("a client of another machine connects");
});

async function active(unit: string): Promise<string> {
	return (await machine.run(`systemctl is-active ${unit}`)).stdout.trim();
}
