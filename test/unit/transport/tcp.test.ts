import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import t from "tap";
import { Admission } from "../../../src/transport/admission.ts";
import {
	bindServers,
	closeServers,
} from "../../../src/transport/bind-servers.ts";
import { createListener } from "../../../src/transport/create-listener.ts";
import { explainListenError } from "../../../src/transport/listen-error.ts";
import { findPortHolder } from "../../../src/transport/port-holder.ts";
import { RateLimitedLog } from "../../../src/transport/rate-limited-log.ts";
import { TcpListener } from "../../../src/transport/tcp.ts";
import {
	Acceptor,
	connectTo,
	eventually,
	listenerOptions,
	readToEnd,
} from "./support.ts";

const both = [
	{ host: "127.0.0.1", port: 0 },
	{ host: "::1", port: 0 },
];

async function hasIPv6(): Promise<boolean> {
	const server = createServer();
	server.listen(0, "::1");
	try {
		await once(server, "listening");
		return true;
	} catch {
		return false;
	} finally {
		server.close();
	}
}

/** The timer that the system has for a connection between two ports of this machine. */
function timerOf(localPort: number, remotePort: number): string | undefined {
	const inHex = (port: number) =>
		port.toString(16).toUpperCase().padStart(4, "0");
	for (const line of readFileSync("/proc/net/tcp", "latin1").split("\n")) {
		const [, local, remote, , , timer] = line.trim().split(/\s+/);
		const isOurs =
			local?.endsWith(`:${inHex(localPort)}`) &&
			remote?.endsWith(`:${inHex(remotePort)}`);
		if (isOurs) return timer?.slice(0, 2);
	}
	return undefined;
}

t.test(
	"asks of silent peers what the listener's keep alive says",
	async (t) => {
		const KEEP_ALIVE_TIMER = "02";
		const NONE = "00";
		for (const [keepAliveSeconds, timer] of [
			[60, KEEP_ALIVE_TIMER],
			[0, NONE],
		] as const) {
			const acceptor = new Acceptor();
			const listener = createListener(
				listenerOptions({ keepAliveSeconds }),
				acceptor.accept,
				() => {},
			);
			await listener.start();
			const peer = await connectTo(listener.port);
			const { stream } = await acceptor.next();
			t.equal(timerOf(listener.port, peer.localPort ?? 0), timer);
			stream.destroy();
			peer.destroy();
			await listener.stop();
		}
	},
);

t.test("accepts connections and says who they are [MQTT-4.2-1]", async (t) => {
	const acceptor = new Acceptor();
	const listener = createListener(listenerOptions(), acceptor.accept, () => {});
	t.equal(listener.port, 0);
	await listener.start();
	t.same(listener.addresses, [`127.0.0.1:${listener.port}`]);
	const peer = await connectTo(listener.port);
	const { stream, recorder } = await acceptor.next();
	t.same(stream.info, {
		transport: "tcp",
		listener: "tcp:default",
		remoteAddress: "127.0.0.1",
		remotePort: peer.localPort,
		isLoopback: true,
	});
	t.equal(listener.connections, 1);
	peer.write("hello");
	await recorder.until(() => recorder.bytes.toString() === "hello");
	stream.write([Buffer.from("you")]);
	stream.end();
	t.equal((await readToEnd(peer)).toString(), "you");
	await eventually(() => listener.connections === 0);
	await listener.stop();
	t.same(listener.addresses, []);
});

t.test(
	"stop() frees the port at once and leaves connections open",
	async (t) => {
		const acceptor = new Acceptor();
		const listener = new TcpListener(
			listenerOptions(),
			acceptor.accept,
			() => {},
		);
		await listener.start();
		const port = listener.port;
		const peer = await connectTo(port);
		const { stream, recorder } = await acceptor.next();
		await listener.stop();
		await t.rejects(connectTo(port), { code: "ECONNREFUSED" });
		const again = new TcpListener(
			listenerOptions({ addresses: [{ host: "127.0.0.1", port }] }),
			acceptor.accept,
			() => {},
		);
		await again.start();
		await again.stop();
		peer.write("still here");
		await recorder.until(() => recorder.bytes.toString() === "still here");
		stream.destroy();
		await once(peer, "close");
	},
);

t.test("two addresses share the port that the system chose", async (t) => {
	if (!(await hasIPv6())) {
		t.pass("no IPv6 here");
		return;
	}
	const acceptor = new Acceptor();
	const options = listenerOptions({ addresses: both });
	const listener = new TcpListener(options, acceptor.accept, () => {});
	await listener.start();
	t.teardown(async () => {
		acceptor.destroyAll();
		await listener.stop();
	});
	const { port } = listener;
	t.same(listener.addresses, [`127.0.0.1:${port}`, `[::1]:${port}`]);
	for (const host of ["127.0.0.1", "::1"]) {
		const peer = await connectTo(port, host);
		const { stream } = await acceptor.next();
		t.equal(stream.info.remoteAddress, host);
		t.ok(stream.info.isLoopback);
		peer.destroy();
	}
});

t.test("the IPv6 wildcard leaves the IPv4 port alone", async (t) => {
	if (!(await hasIPv6())) {
		t.pass("no IPv6 here");
		return;
	}
	const addresses = [
		{ host: "::", port: 0 },
		{ host: "0.0.0.0", port: 0 },
	];
	const options = listenerOptions({ addresses });
	const listener = new TcpListener(
		options,
		() => {},
		() => {},
	);
	await listener.start();
	t.equal(listener.addresses.length, 2);
	await listener.stop();
});

t.test(
	"an address that the machine does not have yet is waited for",
	async (t) => {
		for (const host of ["2001:db8::1234", "192.0.2.1"]) {
			const said: string[] = [];
			const listener = new TcpListener(
				listenerOptions({ addresses: [{ host, port: 0 }] }),
				() => {},
				(words) => said.push(words),
			);
			await listener.start();
			t.match(
				said.join(),
				/tcp:default listens on .*, an address that this machine does not have now.*listener\.tcp\.default/,
			);
			t.match(listener.addresses, [/^(192\.0\.2\.1|\[2001:db8::1234\]):\d+$/]);
			for (const door of listener.doors) await door.knock();
			await listener.stop();
		}
	},
);

t.test("a listener with no usable address does not start", async (t) => {
	const listener = new TcpListener(
		listenerOptions({ addresses: [{ host: "nowhere.invalid", port: 0 }] }),
		() => {},
		() => {},
	);
	await t.rejects(listener.start(), /nowhere\.invalid cannot be resolved/);
	t.same(listener.addresses, []);
});

t.test("an address that fails leaves none of the others open", async (t) => {
	const options = listenerOptions({
		addresses: [
			{ host: "127.0.0.1", port: 0 },
			{ host: "nowhere.invalid", port: 0 },
		],
	});
	let port = 0;
	const create = () => {
		const server = createServer();
		server.once("listening", () => {
			port = (server.address() as { port: number }).port;
		});
		return server;
	};
	await t.rejects(bindServers(options, create, () => {}));
	await t.rejects(connectTo(port), { code: "ECONNREFUSED" });
	await closeServers([]);
});

t.test(
	"a port in use by another program is named with its process",
	async (t) => {
		const script = `const s = require("node:net").createServer().listen(0, "127.0.0.1",
		() => console.log(s.address().port)); process.stdin.resume().on("end", () => process.exit())`;
		const child = spawn(process.execPath, ["-e", script]);
		t.teardown(() => child.stdin.end());
		const [line] = await once(child.stdout, "data");
		const port = Number(String(line));
		const holder = await findPortHolder("127.0.0.1", port);
		t.equal(holder?.pid, child.pid);
		const listener = new TcpListener(
			listenerOptions({ addresses: [{ host: "127.0.0.1", port }] }),
			() => {},
			() => {},
		);
		await t.rejects(listener.start(), {
			message: new RegExp(
				`^port ${port} on 127\\.0\\.0\\.1 is already in use by \\S+ \\(pid ${child.pid}\\); stop it \\(.+\\) or set listener\\.tcp\\.default = 127\\.0\\.0\\.1:OTHER$`,
			),
		});
	},
);

t.test("a second listener on one port is told so", async (t) => {
	const first = new TcpListener(
		listenerOptions(),
		() => {},
		() => {},
	);
	await first.start();
	const { port } = first;
	const second = new TcpListener(
		listenerOptions({
			name: "tcp:other",
			addresses: [{ host: "127.0.0.1", port }],
		}),
		() => {},
		() => {},
	);
	await t.rejects(second.start(), {
		message: `port ${port} on 127.0.0.1 is already in use by another listener of this process (pid ${process.pid}); set listener.tcp.other = 127.0.0.1:OTHER`,
	});
	await first.stop();
});

t.test("errors of listen are put into words", async (t) => {
	const options = listenerOptions();
	const words = async (code: string) => {
		const error = Object.assign(new Error(`listen ${code}`), { code });
		return (await explainListenError(error, options, "0.0.0.0", 80)).message;
	};
	t.match(
		await words("EACCES"),
		/no permission .* port above 1023.*CAP_NET_BIND/,
	);
	t.match(await words("ENOTFOUND"), /cannot be resolved/);
	t.match(await words("EINVAL"), /listen EINVAL/);
	t.match(await words("EADDRINUSE"), /stop .* or set listener\.tcp\.default/);
});

t.test("closes what is over max_connections and says which key", async (t) => {
	const lines: string[] = [];
	const acceptor = new Acceptor();
	const listener = new TcpListener(
		listenerOptions({ maxConnections: 2 }),
		acceptor.accept,
		(words) => lines.push(words),
	);
	await listener.start();
	t.teardown(async () => {
		acceptor.destroyAll();
		await listener.stop();
	});
	const inside = [
		await connectTo(listener.port),
		await connectTo(listener.port),
	];
	await acceptor.next();
	await acceptor.next();
	for (let i = 0; i < 3; i++) {
		const outside = await connectTo(listener.port);
		t.equal((await readToEnd(outside)).length, 0);
	}
	t.equal(listener.refused, 3);
	t.equal(listener.connections, 2);
	t.equal(lines.length, 1);
	t.match(lines[0], /listener\.tcp\.default\.max_connections/);
	t.match(lines[0], /from 127\.0\.0\.1/);
	inside[0]?.destroy();
	await eventually(() => listener.connections === 1);
	inside.push(await connectTo(listener.port));
	await acceptor.next();
	for (const socket of inside) socket.destroy();
});

t.test("keeps the last file descriptors and names the limit", async (t) => {
	const lines: string[] = [];
	const admission = new Admission(
		listenerOptions(),
		(words) => lines.push(words),
		undefined,
		100,
	);
	const socketWith = (fd: number) =>
		({ _handle: { fd }, remoteAddress: "10.0.0.1" }) as unknown as Socket;
	t.equal(admission.mayEnter(socketWith(83)), true);
	t.equal(admission.mayEnter(socketWith(84)), false);
	t.equal(admission.refused, 1);
	t.match(lines[0], /LimitNOFILE.*ulimit -n/);
});

t.test("an error of accept is logged and names LimitNOFILE", (t) => {
	const lines: string[] = [];
	const admission = new Admission(listenerOptions(), (words) =>
		lines.push(words),
	);
	const error = Object.assign(new Error("accept EMFILE"), { code: "EMFILE" });
	admission.acceptFailed(error);
	admission.acceptFailed(error);
	t.equal(lines.length, 1);
	t.match(lines[0], /accept EMFILE.*LimitNOFILE/);
	t.end();
});

t.test("a rate-limited line tells how many were left out", (t) => {
	let nowMs = 0;
	const lines: string[] = [];
	const log = new RateLimitedLog((words) => lines.push(words), {
		monotonicMs: () => nowMs,
		wallMs: () => 0,
		setTimer: () => 0,
		clearTimer: () => {},
	});
	for (let i = 0; i < 5; i++) log.write("full");
	nowMs = 10_000;
	log.write("full");
	t.same(lines, ["full", "full (4 more since)"]);
	t.end();
});
