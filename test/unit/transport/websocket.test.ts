import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { ByteBudget } from "../../../src/platform/byte-budget.ts";
import type { ListenerOptions } from "../../../src/transport/listener.ts";
import {
	type HandshakeLimits,
	WebSocketListener,
} from "../../../src/transport/websocket.ts";
import {
	Acceptor,
	connectTo,
	eventually,
	listenerOptions,
	readToEnd,
	turns,
} from "./support.ts";

async function start(
	t: Test,
	overrides: Partial<ListenerOptions> = {},
	limits?: HandshakeLimits,
) {
	const lines: string[] = [];
	const acceptor = new Acceptor();
	const listener = new WebSocketListener(
		listenerOptions({ transport: "ws", ...overrides }),
		acceptor.accept,
		(words) => lines.push(words),
		limits,
	);
	await listener.start();
	t.teardown(async () => {
		acceptor.destroyAll();
		await listener.stop();
	});
	const open = async (
		path = "/mqtt",
		protocols: string | string[] = "mqtt",
	) => {
		const url = `ws://127.0.0.1:${listener.port}${path}`;
		const client = new WebSocket(url, protocols);
		client.on("error", () => {});
		await once(client, "open");
		t.teardown(() => client.terminate());
		return { client, ...(await acceptor.next()) };
	};
	return { listener, acceptor, lines, open };
}

async function request(port: number, path: string) {
	const [response] = (await once(
		get({ port, host: "127.0.0.1", path, agent: false }),
		"response",
	)) as [IncomingMessage];
	let text = "";
	for await (const chunk of response) text += chunk;
	return { status: response.statusCode, headers: response.headers, text };
}

/** Tries to open a WebSocket. @returns the refusal */
async function refusal(port: number, path: string, protocols: string[]) {
	const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols);
	client.on("error", () => {});
	const [, response] = (await once(client, "unexpected-response")) as [
		unknown,
		IncomingMessage,
	];
	let text = "";
	for await (const chunk of response) text += chunk;
	return { status: response.statusCode, text };
}

t.test(
	"carries bytes both ways in binary messages [MQTT-6.0.0-1]",
	async (t) => {
		const { listener, open } = await start(t);
		const { client, stream, recorder } = await open();
		t.match(stream.info, {
			transport: "ws",
			listener: "ws:default",
			remoteAddress: "127.0.0.1",
			isLoopback: true,
		});
		client.send(Buffer.from("hello"));
		await recorder.until(() => recorder.bytes.toString() === "hello");
		t.equal(stream.write([Buffer.from("a"), Buffer.from("bc")]), true);
		const [data, isBinary] = await once(client, "message");
		t.equal(String(data), "abc", "the buffers of one write are one message");
		t.equal(isBinary, true);
		client.close();
		await recorder.until(() => recorder.closes.length > 0);
		t.same(recorder.closes, [null]);
		await eventually(() => listener.connections === 0);
	},
);

t.test("messages of every length form arrive whole", async (t) => {
	const { open } = await start(t);
	const { client, stream, recorder } = await open();
	for (const length of [1, 125, 126, 65_535, 65_536, 1_000_000]) {
		const bytes = Buffer.alloc(length, length & 0xff);
		const message = once(client, "message");
		if (!stream.write([bytes.subarray(0, 1), bytes.subarray(1)])) {
			const { drains } = recorder;
			await recorder.until(() => recorder.drains > drains);
		}
		const [data] = await message;
		t.ok(bytes.equals(data as Buffer), `${length} bytes`);
		t.equal(stream.pendingBytes, 0);
	}
});

t.test(
	"a packet may span messages, and messages may be in fragments [MQTT-6.0.0-2]",
	async (t) => {
		const { open } = await start(t);
		const { client, recorder } = await open();
		const bytes = Buffer.alloc(200_000);
		for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251;
		let at = 0;
		for (const length of [1, 3, 70_000, 500, 100_000, 29_496]) {
			const part = bytes.subarray(at, at + length);
			client.send(part.subarray(0, length >> 1), { fin: false });
			client.send(part.subarray(length >> 1), { fin: true });
			at += length;
		}
		await recorder.until(() => recorder.bytes.length >= bytes.length);
		t.ok(recorder.bytes.equals(bytes));
	},
);

t.test(
	"a text message ends the connection with 1003 [MQTT-6.0.0-1]",
	async (t) => {
		const { open } = await start(t);
		const { client, recorder } = await open();
		client.send("text");
		client.send(Buffer.from("late"));
		const [code] = await once(client, "close");
		t.equal(code, 1003);
		await recorder.until(() => recorder.closes.length > 0);
		t.match(recorder.closes[0]?.message, /text message/);
		t.equal(recorder.bytes.length, 0);
		t.equal(recorder.closes.length, 1);
	},
);

t.test(
	"the subprotocol mqtt is chosen first [MQTT-6.0.0-3] [MQTT-6.0.0-4]",
	async (t) => {
		const { listener, open } = await start(t);
		const cases: [string[], string][] = [
			[["mqtt"], "mqtt"],
			[["mqttv3.1", "mqtt"], "mqtt"],
			[["mqttv3.1", "mqttv3.1.1"], "mqttv3.1.1"],
			[["mqttv3.1"], "mqttv3.1"],
			[["other", "mqtt"], "mqtt"],
			[[], ""],
		];
		for (const [offered, chosen] of cases) {
			const { client } = await open("/mqtt", offered);
			t.equal(client.protocol, chosen);
		}
		const { status, text } = await refusal(listener.port, "/mqtt", ["chat"]);
		t.equal(status, 400);
		t.match(text, /subprotocol "mqtt", not "chat"/);
	},
);

t.test("accepts its paths and no others", async (t) => {
	const { listener, open } = await start(t);
	await open("/");
	await open("/mqtt?user=1");
	const { status, text } = await refusal(listener.port, "/chat", ["mqtt"]);
	t.equal(status, 404);
	t.match(text, /\/mqtt/);
	const other = await start(t, { websocketPaths: ["/ws"] });
	await other.open("/ws");
	t.equal((await refusal(other.listener.port, "/mqtt", ["mqtt"])).status, 404);
});

t.test("the log names clients that are refused, and why", async (t) => {
	for (const [words, come] of [
		[
			/from 127\.0\.0\.1 port \d+.* "\/chat".*\/mqtt and \/$/,
			(port: number) => refusal(port, "/chat", ["mqtt"]),
		],
		[/"chat", not "mqtt"/, (port: number) => refusal(port, "/mqtt", ["chat"])],
		[
			/does not speak HTTP/,
			async (port: number) => {
				const peer = await connectTo(port);
				peer.write(Buffer.from("100d00044d5154540402003c000161", "hex"));
				t.match((await readToEnd(peer)).toString(), /^HTTP\/1\.1 400 /);
			},
		],
	] as const) {
		const { listener, lines } = await start(t);
		await come(listener.port);
		t.equal(lines.length, 1);
		t.match(lines[0], words);
	}
});

t.test("tells a browser what this port is", async (t) => {
	const { listener } = await start(t);
	const plain = await request(listener.port, "/mqtt");
	t.equal(plain.status, 426);
	t.equal(plain.headers.upgrade, "websocket");
	t.match(plain.text, /MQTT over WebSocket port/);
	const missing = await request(listener.port, "/favicon.ico");
	t.equal(missing.status, 404);
	await eventually(() => listener.connections === 0);
});

t.test("a message over the limit is refused from its header", async (t) => {
	const { open } = await start(t, { maxPacketSize: 1000 });
	const { client, recorder } = await open();
	client.send(Buffer.alloc(1000 + 64 * 1024 + 1));
	await recorder.until(() => recorder.closes.length > 0);
	t.match(recorder.closes[0]?.message, /Max payload size exceeded/);
});

t.test("a reader that stops is felt and drained", async (t) => {
	const { open } = await start(t);
	const { client, stream, recorder } = await open();
	let received = 0;
	client.on("message", (data) => {
		received += (data as Buffer).length;
	});
	client.pause();
	const size = 20_000_000;
	t.equal(stream.write([Buffer.alloc(size)]), false);
	t.ok(stream.pendingBytes > 0);
	client.resume();
	await recorder.until(() => recorder.drains > 0);
	await eventually(() => received === size);
	t.equal(recorder.drains, 1);
	t.equal(stream.pendingBytes, 0);
});

t.test("pause() stops reading from the socket", async (t) => {
	const { open } = await start(t);
	const { client, stream, recorder } = await open();
	stream.pause();
	const part = Buffer.alloc(60_000);
	for (let i = 0; i < 200; i++) client.send(part);
	await turns(30);
	t.equal(recorder.bytes.length, 0);
	t.ok(client.bufferedAmount > 0, "the peer feels it");
	stream.resume();
	await recorder.until(() => recorder.bytes.length === 200 * part.length);
});

t.test("pings are answered", async (t) => {
	const { open } = await start(t);
	const { client } = await open();
	client.ping("are you there");
	const [payload] = await once(client, "pong");
	t.equal(String(payload), "are you there");
});

t.test("end() sends what is pending and closes in order", async (t) => {
	const { listener, open } = await start(t);
	const { client, stream, recorder } = await open();
	stream.pause();
	stream.write([Buffer.from("goodbye")]);
	stream.end();
	t.equal(stream.write([Buffer.from("late")]), true);
	const message = once(client, "message");
	const closed = once(client, "close");
	t.equal(String((await message)[0]), "goodbye");
	t.equal((await closed)[0], 1000);
	await recorder.until(() => recorder.closes.length > 0);
	t.same(recorder.closes, [null]);
	await eventually(() => listener.connections === 0);
});

t.test("a peer that vanishes closes the stream once", async (t) => {
	const { open } = await start(t);
	const { client, stream, recorder } = await open();
	client.terminate();
	await recorder.until(() => recorder.closes.length > 0);
	stream.destroy();
	await turns(3);
	t.equal(recorder.closes.length, 1);
});

t.test("closes what is over max_connections", async (t) => {
	const { listener, lines, open } = await start(t, { maxConnections: 1 });
	await open();
	const outside = await connectTo(listener.port);
	t.equal((await readToEnd(outside)).length, 0);
	t.equal(listener.refused, 1);
	t.match(lines[0], /listener\.ws\.default\.max_connections/);
});

t.test("a silent client does not hold its slot", async (t) => {
	const limits = { timeoutMs: 60, checkIntervalMs: 20 };
	const { listener } = await start(t, {}, limits);
	const silent = await connectTo(listener.port);
	const slow = await connectTo(listener.port);
	slow.write("GET /mqtt HTTP/1.1\r\nHost: x\r\n");
	await Promise.all([readToEnd(silent), readToEnd(slow)]);
	await eventually(() => listener.connections === 0);
});

t.test("a head that is too long is refused", async (t) => {
	const { listener } = await start(t);
	const peer = await connectTo(listener.port);
	peer.write(
		`GET /mqtt HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`,
	);
	t.match((await readToEnd(peer)).toString(), /^HTTP\/1\.1 431 /);
});

t.test("an upgrade to something else is told what this port is", async (t) => {
	const { listener } = await start(t);
	const peer = await connectTo(listener.port);
	peer.write(
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
	);
	t.match(
		(await readToEnd(peer)).toString(),
		/^HTTP\/1\.1 426 .*MQTT over WebSocket/s,
	);
});

t.test("a message that never ends is charged and bounded", async (t) => {
	const budget = new ByteBudget("partial packets", 300_000, "the.key");
	const { open } = await start(t, { partialMessageBudget: budget });
	const honest = await open();
	honest.client.send(Buffer.alloc(100_000));
	await honest.recorder.until(() => honest.recorder.bytes.length === 100_000);
	await turns(2);
	t.ok(budget.used <= 65_536, "a whole message is the broker's to count");
	const { client, recorder } = await open();
	client.send(Buffer.alloc(150_000), { fin: false });
	await eventually(() => budget.used >= 150_000);
	t.equal(recorder.bytes.length, 0);
	for (let i = 0; i < 5; i++)
		client.send(Buffer.alloc(100_000), { fin: false });
	await recorder.until(() => recorder.closes.length > 0);
	t.match(recorder.closes[0]?.message, /partial packets was full \(the\.key\)/);
	honest.client.close();
	await honest.recorder.until(() => honest.recorder.closes.length > 0);
	t.equal(budget.used, 0);
	t.ok(budget.peak <= 300_000);
});

t.test("a peer that pings without reading gets one answer later", async (t) => {
	const { open } = await start(t);
	const { client, stream, recorder } = await open();
	client.pause();
	t.equal(stream.write([Buffer.alloc(20_000_000)]), false);
	const pending = stream.pendingBytes;
	for (let i = 0; i < 1000; i++) client.ping(`ping ${i}`);
	client.send(Buffer.from("seen"));
	await recorder.until(() => recorder.bytes.toString() === "seen");
	t.ok(stream.pendingBytes <= pending, "no pongs pile up");
	const pongs: string[] = [];
	client.on("pong", (payload) => pongs.push(String(payload)));
	client.resume();
	await eventually(() => pongs.length > 0);
	t.same(pongs, ["ping 999"]);
});

t.test("stop() ends handshakes and leaves open WebSockets", async (t) => {
	const { listener, open } = await start(t);
	const { client, recorder } = await open();
	const silent = await connectTo(listener.port);
	await eventually(() => listener.connections === 2);
	await listener.stop();
	t.equal((await readToEnd(silent)).length, 0);
	client.send(Buffer.from("still here"));
	await recorder.until(() => recorder.bytes.toString() === "still here");
});

t.test("a page from elsewhere in a browser here is not local", async (t) => {
	const acceptor = new Acceptor();
	const listener = new WebSocketListener(
		listenerOptions({ transport: "ws" }),
		acceptor.accept,
		() => {},
	);
	await listener.start();
	t.teardown(async () => {
		acceptor.destroyAll();
		await listener.stop();
	});
	const expected: readonly [string | undefined, boolean][] = [
		[undefined, true],
		["http://localhost:8080", true],
		["http://[::1]", true],
		["https://example.com", false],
		["null", false],
	];
	for (const [index, [origin, isLocal]] of expected.entries()) {
		const headers = origin === undefined ? {} : { origin };
		const client = new WebSocket(
			`ws://127.0.0.1:${listener.port}/mqtt`,
			"mqtt",
			{ headers },
		);
		await once(client, "open");
		await eventually(() => acceptor.all.length > index);
		t.equal(acceptor.all[index]?.stream.info.isLoopback, isLocal, `${origin}`);
		client.terminate();
	}
});

t.test(
	"a message before CONNECT is bounded by what the connection says",
	async (t) => {
		const budget = new ByteBudget("partial packets", Infinity, "the.key");
		const { open } = await start(t, { partialMessageBudget: budget });
		const { client, stream, recorder } = await open();
		stream.limitGathering(65_536);
		for (let i = 0; i < 4; i++)
			client.send(Buffer.alloc(65_536), { fin: false });
		await recorder.until(() => recorder.closes.length > 0);
		t.match(recorder.closes[0]?.message, /max_connect_size/);
		t.equal(budget.used, 0);
	},
);
