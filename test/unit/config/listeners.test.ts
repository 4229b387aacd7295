import t from "tap";
import { load, problemsOf } from "./load.ts";

function listener(name: string, ...sets: string[]) {
	const found = load(...sets).listeners.find((one) => one.name === name);
	if (found === undefined) throw new Error(`no listener ${name}`);
	return found;
}

function names(...sets: string[]): string[] {
	return load(...sets).listeners.map((one) => one.name);
}

t.test(
	"the built-in listeners are on loopback, in both families [VD010] [VD011]",
	async (t) => {
		t.match(load().listeners, [
			{
				name: "tcp:default",
				transport: "tcp",
				addresses: [
					{ host: "127.0.0.1", port: 1883 },
					{ host: "::1", port: 1883 },
				],
				path: "",
				maxConnections: 10_000,
				noDelay: true,
				keepAliveSeconds: 60,
				allowedProtocolVersions: [3, 4, 5],
				allowAnonymous: "loopback",
				mountpoint: "",
			},
			{
				name: "ws:default",
				transport: "ws",
				addresses: [
					{ host: "127.0.0.1", port: 9001 },
					{ host: "::1", port: 9001 },
				],
			},
		]);
	},
);

t.test(
	"naming a listener replaces the built-in ones, off takes one away",
	async (t) => {
		t.same(names("listener.tcp.kitchen=127.0.0.1:1"), ["tcp:kitchen"]);
		t.same(names("listener.tcp.default=off"), ["ws:default"]);
		t.same(names("listener.ws.default=off"), ["tcp:default"]);
		t.same(names("listener.tcp.a=127.0.0.1:1", "listener.tcp.b=off"), [
			"tcp:a",
		]);
		t.same(names("listener.tcp.default.backlog=5"), [
			"tcp:default",
			"ws:default",
		]);
		const none = load("listener.tcp.default=off", "listener.ws.default=off");
		t.same(none.listeners, []);
		t.match(none.notices, [{ message: /no client can connect/ }]);
		t.same(names("listener.ssl.default=127.0.0.1:8883"), []);
	},
);

t.test(
	"the most particular of three levels wins [VD015] [VD016]",
	async (t) => {
		const sets = [
			"listener.tcp.default=127.0.0.1:1883",
			"listener.tcp.my_other=127.0.0.1:18884",
			"listener.ws.default=127.0.0.1:9001",
			"listener.tcp.my_other.max_connections=100",
			"listener.tcp.max_connections=200",
			"listener.max_connections=300",
		];
		t.equal(listener("tcp:my_other", ...sets).maxConnections, 100);
		t.equal(listener("tcp:default", ...sets).maxConnections, 200);
		t.equal(listener("ws:default", ...sets).maxConnections, 300);
		const infinite = listener(
			"tcp:default",
			"listener.max_connections=infinity",
		);
		t.equal(infinite.maxConnections, Number.POSITIVE_INFINITY);
	},
);

t.test(
	"allow_anonymous falls through the levels to the global key",
	async (t) => {
		const of = (...sets: string[]) =>
			listener("tcp:default", ...sets).allowAnonymous;
		t.equal(of("allow_anonymous=on"), "on");
		t.equal(of("allow_anonymous=on", "listener.allow_anonymous=off"), "off");
		t.equal(
			of(
				"listener.allow_anonymous=off",
				"listener.tcp.allow_anonymous=loopback",
			),
			"loopback",
		);
		t.equal(
			of("allow_anonymous=on", "listener.tcp.default.allow_anonymous=inherit"),
			"on",
		);
	},
);

t.test("versions can be chosen for each listener [VD017]", async (t) => {
	t.same(
		listener("tcp:default", "listener.tcp.allowed_protocol_versions=3,4")
			.allowedProtocolVersions,
		[3, 4],
	);
	t.match(problemsOf({ sets: ["listener.tcp.allowed_protocol_versions=6"] }), [
		{ message: /some of 3, 4, 5/ },
	]);
});

t.test("a unix listener has a path", async (t) => {
	t.match(listener("unix:local", "listener.unix.local=/run/b.sock"), {
		path: "/run/b.sock",
		addresses: [],
		transport: "unix",
	});
	t.same(names("listener.unix.local=off"), ["tcp:default", "ws:default"]);
	t.match(problemsOf({ sets: [`listener.unix.a=/${"x".repeat(107)}`] }), [
		{ message: /at most 107 bytes/ },
	]);
});

t.test("options of a listener that does not exist are a mistake", async (t) => {
	t.match(problemsOf({ sets: ["listener.tcp.kitchn.allow_anonymous=off"] }), [
		{ message: /there is no listener tcp.kitchn/ },
	]);
	t.same(names("listener.tcp.a=off", "listener.tcp.a.backlog=5"), [
		"tcp:default",
		"ws:default",
	]);
});

t.test("a misspelt option is not taken for a listener", async (t) => {
	t.match(problemsOf({ sets: ["listener.tcp.max_conections=100"] }), [
		{ nearest: "listener.tcp.max_connections" },
	]);
	t.match(problemsOf({ sets: ["listener.tcp.certfile=/x.pem"] }), [
		{ message: "there is no such key" },
	]);
});

t.test("two listeners cannot have one address", async (t) => {
	t.match(
		problemsOf({
			sets: ["listener.tcp.a=127.0.0.1:1", "listener.ws.b=127.0.0.1:1"],
		}),
		[{ key: "listener.ws.b", message: /taken already by listener.tcp.a/ }],
	);
	t.equal(
		names("listener.tcp.a=127.0.0.1:0", "listener.ws.b=127.0.0.1:0").length,
		2,
	);
});
