/** Ports, exposure and descriptors, with recorded tables of the kernel. */
import t from "tap";
import { descriptors } from "../../../../src/cli/doctor/descriptors.ts";
import { exposure } from "../../../../src/cli/doctor/exposure.ts";
import { ports } from "../../../../src/cli/doctor/ports.ts";
import { idsOf, troubles } from "./recorded.ts";

const HEAD =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const line = (address: string, state = "0A", uid = 104) =>
	`   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000   ${uid}        0 18233 1 ffff9a0b 100 0 0 10 0\n`;
/** 1883 is 075B. */
const tcp = (...lines: string[]) => HEAD + lines.join("");
const mosquitto = {
	pid: 812,
	program: "mosquitto",
	unit: "mosquitto.service",
	uid: 104,
};
const one = ["listener.tcp.default=127.0.0.1:1883"];

t.test("a port that another program has, with what stops it", async (t) => {
	const found = await troubles(ports, {
		sets: one,
		texts: { "/proc/net/tcp": tcp(line("0100007F:075B")) },
		holder: mosquitto,
	});
	t.match(found, [
		{
			id: "port-in-use",
			level: "problem",
			what: /port 1883 on 127\.0\.0\.1 \(listener\.tcp\.default\) is used by mosquitto \(pid 812, mosquitto\.service\)/,
			fix: "sudo systemctl disable --now mosquitto",
		},
	]);
	const [byHand] = await troubles(ports, {
		sets: one,
		texts: { "/proc/net/tcp": tcp(line("00000000:075B")) },
		holder: { pid: 99, program: "nc", unit: "", uid: 1000 },
	});
	t.equal(byHand?.fix, "sudo kill 99");
	const [hidden] = await troubles(ports, {
		sets: one,
		texts: { "/proc/net/tcp": tcp(line("0100007F:075B")) },
	});
	t.match(hidden, { what: /of user 104/, fix: /ss -ltnp/ });
});

t.test("what is not in the way", async (t) => {
	const free = ["ok ports"];
	const idsWith = (texts: Record<string, string>, sets = one) =>
		idsOf(ports, { sets, texts, holder: mosquitto });
	t.same(await idsWith({}), free);
	const others = [
		line("0100007F:075C"), // another port
		line("0200007F:075B"), // another address
		line("0100007F:075B", "01"), // a connection
	];
	t.same(await idsWith({ "/proc/net/tcp": tcp(...others) }), free);
	const loopback6 = line("00000000000000000000000001000000:075B");
	t.same(await idsWith({ "/proc/net/tcp6": tcp(loopback6) }), free);
	t.same(
		await idsWith({ "/proc/net/tcp6": tcp(loopback6) }, [
			"listener.tcp.default=[::1]:1883",
		]),
		["problem port-in-use"],
	);
	const any6 = line("00000000000000000000000000000000:075B");
	t.same(await idsWith({ "/proc/net/tcp6": tcp(any6) }), [
		"problem port-in-use",
	]);
	const other6 = line("B80D0120000000000000000001000000:075B");
	t.same(
		await idsWith({ "/proc/net/tcp6": tcp(other6) }, [
			"listener.tcp.default=[2001:db8::1]:1883",
		]),
		["problem port-in-use"],
	);
});

t.test("the running broker has its own ports", async (t) => {
	const texts = { "/proc/net/tcp": tcp(line("0100007F:075B")) };
	const listeners = [
		{ name: "tcp:default", addresses: ["127.0.0.1:1883"], connections: 0 },
	];
	t.same(await idsOf(ports, { sets: one, texts, running: { listeners } }), [
		"ok ports",
	]);
	const holder = { pid: 4711, program: "broker", unit: "", uid: 990 };
	t.same(await idsOf(ports, { sets: one, texts, holder, running: {} }), [
		"ok ports",
	]);
	t.same(await idsOf(ports, { sets: one, running: { listeners: [] } }), [
		"warning listener-not-open",
	]);
});

t.test(
	"who sees no processes takes the service's port for its own",
	async (t) => {
		const unit = { ActiveState: "active" };
		const ids = (uid: number) =>
			idsOf(ports, {
				sets: one,
				unit,
				texts: { "/proc/net/tcp": tcp(line("0100007F:075B", "0A", uid)) },
			});
		t.same(await ids(990), ["ok ports"]);
		t.same(await ids(104), ["problem port-in-use"]);
	},
);

t.test("a service that does not answer has the port", async (t) => {
	const unit = { Id: "mosquitto.service" };
	const texts = { "/proc/net/tcp": tcp(line("0100007F:075B")) };
	const given = { sets: one, texts, unit, holder: mosquitto };
	t.match(await troubles(ports, given), [
		{ why: /the service itself/, fix: "sudo systemctl restart mosquitto" },
	]);
});

t.test("ports below 1024 need a capability", async (t) => {
	const sets = ["listener.tcp.default=127.0.0.1:443"];
	const unit = { AmbientCapabilities: "" };
	t.match(await troubles(ports, { sets, unit }), [
		{
			id: "port-privileged",
			fix: /AmbientCapabilities=CAP_NET_BIND_SERVICE/,
		},
	]);
	const allowed = { AmbientCapabilities: "cap_net_bind_service" };
	t.same(await idsOf(ports, { sets, unit: allowed }), ["ok ports"]);
	const texts = { "/proc/sys/net/ipv4/ip_unprivileged_port_start": "0\n" };
	t.same(await idsOf(ports, { sets, texts }), ["ok ports"]);
	t.same(await idsOf(ports, { sets, brokerUser: { uid: 0 } }), ["ok ports"]);
});

t.test("an address that the machine does not have", async (t) => {
	const ids = (host: string) =>
		idsOf(ports, { sets: [`listener.tcp.default=${host}:1883`] });
	t.same(await ids("192.168.1.7"), ["ok ports"]);
	t.same(await ids("0.0.0.0"), ["ok ports"]);
	t.same(await ids("192.168.1.8"), ["problem address-missing"]);
	t.same(await ids("[fe80::1]"), ["problem address-missing"]);
});

t.test("who gets in from the network", async (t) => {
	t.same(await idsOf(exposure, { sets: one }), ["ok exposure"]);
	const open = ["listener.tcp.default=0.0.0.0:1883"];
	t.same(await idsOf(exposure, { sets: open }), ["note plain-text-exposed"]);
	const sets = [...open, "allow_anonymous=on"];
	t.match(await troubles(exposure, { sets }), [
		{
			id: "anonymous-exposed",
			level: "warning",
			what: /0\.0\.0\.0 port 1883/,
			fix: /listener\.tcp\.default\.allow_anonymous=loopback/,
		},
		{ id: "plain-text-exposed" },
	]);
});

t.test("descriptors for as many connections as are allowed", async (t) => {
	const limits = (hard: string) =>
		`Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 ${hard.padEnd(20)} files     \n`;
	const ids = (hard: string, running?: { connections: number }) =>
		idsOf(descriptors, {
			texts: {
				"/proc/self/limits": limits(hard),
				"/proc/4711/limits": limits(hard),
			},
			...(running === undefined ? {} : { running }),
		});
	t.same(await ids("65536"), ["ok descriptors"]);
	t.same(await ids("unlimited"), ["ok descriptors"]);
	t.same(await ids("4096"), ["note descriptors-low"]);
	t.same(await ids("4096", { connections: 3000 }), ["warning descriptors-low"]);
	t.same(await idsOf(descriptors, {}), ["note descriptors-not-visible"]);
	const unit = { LimitNOFILE: "1024" };
	t.match(await troubles(descriptors, { unit }), [
		{ what: /the service may have 1024/, fix: /LimitNOFILE=21000/ },
	]);
});
