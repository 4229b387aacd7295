/** What extensions decide: who may come in, publish, subscribe; and what they drop. */
import t from "tap";
import type { AuthVerdict, ClientInfo } from "../../../src/broker/hooks.ts";
import { Decision } from "../../../src/broker/hooks.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import { startRig, turns } from "./broker-fixture.ts";

const refusal: AuthVerdict = {
	allow: false,
	reason: ReasonCode.BadUserNameOrPassword,
	words: "no user of that name",
};

function will(topic: string, delay = 0) {
	return {
		will: {
			topic,
			payload: Buffer.from("gone"),
			qos: 1 as const,
			retain: false,
			properties: { willDelayInterval: delay },
		},
	};
}

t.test(
	"authenticate is told who and with what, and may rename the user",
	async (t) => {
		const { api, client, broker } = await startRig(t, {
			allow_anonymous: "off",
		});
		const asked: [ClientInfo, string | undefined][] = [];
		api.onAuthenticate((info, password) => {
			asked.push([info, password?.toString()]);
			return { allow: true, username: "mapped" };
		});
		const connack = await client().connect("c", {
			username: "u",
			password: Buffer.from("secret"),
		});
		t.equal(connack.reasonCode, 0);
		t.match(asked, [
			[
				{
					clientId: "c",
					username: "u",
					protocol: "5",
					transport: "tcp",
					listener: "tcp:default",
					isLoopback: true,
				},
				"secret",
			],
		]);
		t.equal(broker.registry.get("c")?.username, "mapped");
	},
);

t.test(
	"a refusal is a CONNACK without details, and a line in the log that has them",
	async (t) => {
		const { api, client, log, broker } = await startRig(t);
		api.onAuthenticate(async () => refusal);
		for (const [version, code] of [
			[5, 0x86],
			[4, 4],
			[3, 4],
		] as const) {
			const refused = client(version);
			const connack = await refused.connect("c", {
				username: "u",
				password: Buffer.from("secret"),
			});
			t.equal(version === 5 ? connack.reasonCode : connack.returnCode, code);
			t.equal(connack.properties?.reasonString, undefined);
			t.ok(await refused.closed());
		}
		const lines = log.join("\n");
		t.match(lines, /client refused.*user=u.*no user of that name/);
		t.notMatch(lines, /secret/);
		t.equal(broker.statistics.connectionsRefused, 3);
		t.equal(broker.registry.size, 0);
	},
);

t.test(
	"the first hook that decides counts; none of them leaves it to allow_anonymous",
	async (t) => {
		for (const allow_anonymous of ["on", "off"]) {
			const { api, client } = await startRig(t, { allow_anonymous });
			api.onAuthenticate(() => null);
			api.onAuthenticate(async ({ clientId }) =>
				clientId === "known" ? { allow: true } : null,
			);
			api.onAuthenticate(({ clientId }) =>
				clientId === "known" ? refusal : null,
			);
			t.equal((await client().connect("known")).reasonCode, 0);
			t.equal(
				(await client().connect("unknown")).reasonCode,
				allow_anonymous === "on" ? 0 : ReasonCode.NotAuthorized,
			);
		}
	},
);

t.test(
	"an anonymous client from elsewhere is refused by default",
	async (t) => {
		const { client, log } = await startRig(
			t,
			{},
			{ info: { isLoopback: false, remoteAddress: "192.0.2.7" } },
		);
		const refused = client();
		t.equal((await refused.connect("c")).reasonCode, ReasonCode.NotAuthorized);
		t.match(log.join("\n"), /192\.0\.2\.7.*allow_anonymous/);
	},
);

t.test(
	"packets sent ahead of a slow authentication are handled after it, or never [MQTT-3.1.4-6]",
	async (t) => {
		const { api, client, join } = await startRig(t);
		const witness = await join("witness");
		await witness.subscribe("#");
		const answers = new Map<string, (verdict: AuthVerdict) => void>();
		api.onAuthenticate(
			({ clientId }) =>
				new Promise((resolve) => answers.set(clientId, resolve)),
		);
		const [good, bad] = [client(), client()];
		for (const [each, id] of [
			[good, "good"],
			[bad, "bad"],
		] as const) {
			each.startConnect(id);
			each.publish("a", id);
		}
		await turns();
		t.strictSame(await witness.settled(), []);
		answers.get("bad")?.(refusal);
		answers.get("good")?.({ allow: true });
		await good.expect("connack");
		t.equal(
			(await bad.expect("connack")).reasonCode,
			ReasonCode.BadUserNameOrPassword,
		);
		t.strictSame(await witness.settled(), ["publish good q0"]);
	},
);

t.test("what is sent ahead of a slow authentication is bounded", async (t) => {
	const { api, client, broker } = await startRig(t, {
		max_connect_size: "1KB",
	});
	api.onAuthenticate(() => new Promise(() => {}));
	const flooding = client();
	flooding.startConnect("c");
	await turns();
	for (let i = 0; i < 40; i++) flooding.publish("a", "x".repeat(100));
	await turns(20);
	t.ok(
		broker.unauthenticated.used <= 2 * 1024,
		`${broker.unauthenticated.used} bytes`,
	);
});

t.test(
	"an authentication that is decided after the client has left opens nothing",
	async (t) => {
		const { api, client, broker } = await startRig(t);
		let decide: (verdict: AuthVerdict) => void = () => {};
		api.onAuthenticate(
			() =>
				new Promise((resolve) => {
					decide = resolve;
				}),
		);
		const leaving = client();
		leaving.startConnect("c");
		await turns();
		leaving.destroy();
		await turns();
		decide({ allow: true });
		await turns();
		t.equal(broker.registry.size, 0);
		t.equal(broker.connections.size, 0);
	},
);

t.test(
	"an authenticate hook that throws or rejects closes that client only, and is logged",
	async (t) => {
		const { api, client, join, log, broker, clock } = await startRig(t);
		const bystander = await join("bystander");
		api.onAuthenticate(({ clientId }) => {
			if (clientId === "throws") throw new Error("broken hook");
			return Promise.reject(new Error("rejecting hook"));
		});
		for (const id of ["throws", "rejects"]) {
			const refused = client();
			refused.startConnect(id);
			t.ok(await refused.closed());
			clock.advance(10_000); // one line in this time
		}
		t.match(log.join("\n"), /broken hook/);
		t.match(log.join("\n"), /rejecting hook/);
		t.strictSame(await bystander.settled(), []);
		t.equal(broker.registry.size, 1);
	},
);

t.test("authorizePublish refuses a message, not its client", async (t) => {
	const { api, join, broker } = await startRig(t);
	const asked: unknown[] = [];
	api.onAuthorizePublish(({ clientId }, topic, qos, retain) => {
		asked.push([clientId, topic, qos, retain]);
		return topic === "no" ? Decision.Deny : Decision.Next;
	});
	const witness = await join("witness");
	await witness.subscribe("#");
	const publisher = await join("p");
	publisher.publish("no", "m", 0, { retain: true });
	publisher.publish("no", "m", 1, { messageId: 1 });
	publisher.publish("no", "m", 2, { messageId: 2 });
	publisher.publish("yes", "m", 1, { messageId: 3 });
	t.strictSame(await publisher.settled(), [
		"puback 1 135",
		"pubrec 2 135",
		"puback 3",
	]);
	t.strictSame(await witness.settled(), ["publish m q1 #1"]);
	t.strictSame(asked[0], ["p", "no", 0, true]);
	t.equal(broker.statistics.publishDenied, 3);
	publisher.publish("yes", "m", 2, { messageId: 2 });
	t.strictSame(
		await publisher.settled(),
		["pubrec 2"],
		"the id of a refused one is free [MQTT-4.3.3-9]",
	);
	const old = await join("old", {}, 4);
	old.publish("no", "m", 1, { messageId: 1 });
	t.strictSame(await old.settled(), ["puback 1"], "3.1.1 cannot be told");
});

t.test(
	"Allow and Deny end the questions, Next goes on; nobody's word is a yes",
	async (t) => {
		const { api, broker } = await startRig(t);
		const { hooks } = broker;
		const info = {} as ClientInfo;
		t.ok(hooks.mayPublish(info, "t", 0, false));
		t.ok(hooks.maySubscribe(info, "t", 0));
		const asked: string[] = [];
		const say = (name: string, decision: Decision) => () => {
			asked.push(name);
			return decision;
		};
		const next = [
			api.onAuthorizePublish(say("n", Decision.Next)),
			api.onAuthorizeSubscribe(say("n", Decision.Next)),
		];
		t.ok(hooks.mayPublish(info, "t", 0, false));
		t.ok(hooks.maySubscribe(info, "t", 0));
		const allow = [
			api.onAuthorizePublish(say("a", Decision.Allow)),
			api.onAuthorizeSubscribe(say("a", Decision.Allow)),
		];
		const deny = [
			api.onAuthorizePublish(say("d", Decision.Deny)),
			api.onAuthorizeSubscribe(say("d", Decision.Deny)),
		];
		t.ok(hooks.mayPublish(info, "t", 0, false));
		t.ok(hooks.maySubscribe(info, "t", 0));
		t.strictSame(asked, ["n", "n", "n", "a", "n", "a"]);
		for (const remove of allow) remove();
		t.notOk(hooks.mayPublish(info, "t", 0, false));
		t.notOk(hooks.maySubscribe(info, "t", 0));
		for (const remove of [...next, ...deny]) remove();
		t.equal(hooks.authorizePublish, null, "an unused hook costs one compare");
		t.equal(hooks.authorizeSubscribe, null);
	},
);

t.test(
	"hooks that are taken away are asked no more, twice is harmless",
	async (t) => {
		const { api, broker } = await startRig(t);
		const removals = [
			api.onAuthenticate(() => null),
			api.onPublish(() => true),
		];
		const remove = api.addAuthenticator({
			method: "m",
			begin: () => ({ next: () => ({ step: "success", data: null }) }),
		});
		for (const each of [...removals, ...removals, remove]) each();
		t.equal(broker.hooks.authenticate, null);
		t.equal(broker.hooks.publish, null);
		t.equal(broker.hooks.authenticators.size, 0);
	},
);

t.test(
	"authorizeSubscribe refuses each filter for itself [MQTT-3.8.4-6] [MQTT-3.9.3-1]",
	async (t) => {
		const { api, join, broker } = await startRig(t);
		const asked: unknown[] = [];
		api.onAuthorizeSubscribe(({ clientId }, filter, qos) => {
			asked.push([clientId, filter, qos]);
			return filter.includes("secret") ? Decision.Deny : Decision.Next;
		});
		for (const [version, denied] of [
			[5, 0x87],
			[4, 0x80],
		] as const) {
			const subscriber = await join(`c${version}`, {}, version);
			const options = { nl: false, rap: false, rh: 0 };
			subscriber.write({
				cmd: "subscribe",
				messageId: 4,
				subscriptions: [
					{ topic: "a", qos: 1, ...options },
					{ topic: "secret/#", qos: 2, ...options },
					{ topic: "b", qos: 0, ...options },
				],
			} as never);
			t.strictSame((await subscriber.expect("suback")).granted, [1, denied, 0]);
		}
		t.strictSame(asked[1], ["c5", "secret/#", 2]);
		t.equal(broker.statistics.subscribeDenied, 2);
		t.equal(broker.router.subscriptions.size, 4);
	},
);

t.test("a will is authorised at CONNECT", async (t) => {
	const { api, client, broker, log } = await startRig(t);
	api.onAuthorizePublish((_client, topic) =>
		topic === "no" ? Decision.Deny : Decision.Next,
	);
	const refused = client();
	t.equal(
		(await refused.connect("c", will("no"))).reasonCode,
		ReasonCode.NotAuthorized,
	);
	t.ok(await refused.closed());
	t.match(log.join("\n"), /not authorised to publish its will to no/);
	t.equal(broker.registry.size, 0);
});

t.test("and again when it fires, with the user of its session", async (t) => {
	const { api, join, log } = await startRig(t);
	const witness = await join("witness");
	await witness.subscribe("will");
	let isAllowed = true;
	const asked: unknown[] = [];
	api.onAuthorizePublish(({ clientId, username }, topic, qos) => {
		asked.push([clientId, username, topic, qos]);
		return isAllowed ? Decision.Next : Decision.Deny;
	});
	for (const allowed of [true, false]) {
		isAllowed = true;
		const dying = await join("dying", { username: "u", ...will("will") });
		isAllowed = allowed;
		dying.destroy();
		await turns();
		t.strictSame(
			await witness.settled(),
			allowed ? ["publish gone q1 #1"] : [],
		);
	}
	t.strictSame(asked[1], ["dying", "u", "will", 1]);
	t.match(log.join("\n"), /will not published/);
});

t.test("a will goes through publish hooks, in nobody's name", async (t) => {
	const { api, join } = await startRig(t);
	const witness = await join("witness");
	await witness.subscribe("will");
	const seen: unknown[] = [];
	api.onPublish((publish, info) => {
		seen.push([publish.topic, info]);
		return false;
	});
	(await join("dying", will("will"))).destroy();
	await turns();
	t.strictSame(seen, [["will", null]]);
	t.strictSame(await witness.settled(), []);
});

t.test("no client publishes below $SYS, by a will neither", async (t) => {
	const { client, join } = await startRig(t);
	const witness = await join("witness");
	await witness.subscribe("$SYS/mine");
	const publisher = await join("p");
	publisher.publish("$SYS/mine", "m", 1);
	t.strictSame(await publisher.settled(), ["puback 1 135"]);
	const dying = client();
	dying.startConnect("dying", will("$SYS/mine"));
	await turns();
	dying.destroy();
	await turns();
	t.strictSame(await witness.settled(), []);
});

t.test(
	"a publish hook sees every message with its sender and may drop it silently",
	async (t) => {
		const { api, join, broker } = await startRig(t);
		const witness = await join("witness");
		await witness.subscribe("#");
		const seen: string[] = [];
		api.onPublish((publish, info) => {
			seen.push(`${info?.clientId} ${publish.topic} ${publish.payload}`);
			return publish.payload.toString() !== "bad";
		});
		const publisher = await join("p");
		publisher.publish("a", "bad", 0);
		publisher.publish("a", "bad", 1, { messageId: 1, retain: true });
		publisher.publish("a", "bad", 2, { messageId: 2 });
		publisher.publish("a", "good", 0);
		t.strictSame(await publisher.settled(), ["puback 1", "pubrec 2"]);
		publisher.acknowledge("pubrel", 2);
		t.strictSame(await publisher.settled(), ["pubcomp 2"]);
		t.strictSame(await witness.settled(), ["publish good q0"]);
		t.equal(seen.length, 4);
		t.equal(seen[3], "p a good");
		t.equal(broker.store.counters.retainedMessages, 0);
	},
);

t.test(
	"a hook that throws while a message is published closes its sender, and nobody else",
	async (t) => {
		const { api, join, log } = await startRig(t);
		const witness = await join("witness");
		api.onPublish(() => {
			throw new Error("broken publish hook");
		});
		const publisher = await join("p");
		publisher.publish("a", "m", 1);
		t.equal(
			(await publisher.expect("disconnect")).reasonCode,
			ReasonCode.UnspecifiedError,
		);
		t.match(log.join("\n"), /broken publish hook/);
		t.strictSame(await witness.settled(), []);
	},
);

t.test("a hook that throws while a will fires stops nobody", async (t) => {
	const { api, join, broker } = await startRig(t);
	const dying = await join("dying", will("will"));
	api.onPublish(() => {
		throw new Error("broken publish hook");
	});
	dying.destroy();
	await turns();
	t.equal(broker.registry.size, 0);
	t.strictSame(await (await join("next")).settled(), []);
});

t.test(
	"an extension publishes as the broker, without being authorised",
	async (t) => {
		const { api, join } = await startRig(t);
		api.onAuthorizePublish(() => Decision.Deny);
		const witness = await join("witness");
		await witness.subscribe("$SYS/x");
		api.publish({
			topic: "$SYS/x",
			qos: 1,
			retain: false,
			payload: Buffer.from("m"),
			properties: Buffer.alloc(0),
			expirySeconds: -1,
		});
		t.strictSame(await witness.settled(), ["publish m q1 #1"]);
	},
);

t.test("the status is a snapshot of what the broker does", async (t) => {
	const { api, join, clock } = await startRig(t);
	const one = await join("one");
	await one.subscribe("a");
	await one.subscribe("$share/g/a");
	clock.advance(2500);
	const { status } = api;
	t.match(status, {
		connections: 1,
		sessions: 1,
		subscriptions: 2,
		sharedSubscriptions: 1,
		uptimeSeconds: 2,
	});
	t.equal(status.statistics.connectionsAccepted, 1);
	t.ok(status.budgets.every(({ used }) => used >= 0));
	t.equal(api.settings.max_qos, 2);
	t.equal(api.clock.monotonicMs(), clock.monotonicMs());
	t.type(api.log.access.info, "function");
});
