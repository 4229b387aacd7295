/** AUTH with a method of the test's own: two steps, each answered later. */
import t from "tap";
import type {
	AuthExchange,
	AuthStep,
	ClientInfo,
	EnhancedAuthenticator,
} from "../../../src/broker/hooks.ts";
import { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import {
	type ConnectOptions,
	type Rig,
	startHandRig,
	startRig,
	type TestClient,
	turns,
} from "../broker/broker-fixture.ts";

const REAUTHENTICATE = 0x19;
const CONTINUE = 0x18;

/**
 * Asks "name?" and "word?"; "refuse", "throw" and "never" as an answer do what they
 * say; every other word is right.
 */
class TwoQuestions implements EnhancedAuthenticator {
	readonly method = "two-questions";
	readonly begun: ClientInfo[] = [];
	readonly heard: string[] = [];

	begin(client: ClientInfo): AuthExchange {
		this.begun.push(client);
		let step = 0;
		return {
			next: (data) => {
				const words = data?.toString() ?? "nothing";
				this.heard.push(words);
				if (words === "throw at once") throw new Error("broken at once");
				return this.#answer(words, step++);
			},
		};
	}

	async #answer(words: string, step: number): Promise<AuthStep> {
		await turns(2);
		if (words === "throw") throw new Error("broken");
		if (words === "never") return await new Promise<AuthStep>(() => {});
		if (words === "refuse")
			return {
				step: "refuse",
				reason: ReasonCode.NotAuthorized,
				words: "wrong word",
			};
		if (step === 0) return { step: "continue", data: Buffer.from("name?") };
		if (step === 1) return { step: "continue", data: Buffer.from("word?") };
		return { step: "success", data: Buffer.from("welcome"), username: "known" };
	}
}

function method(data: string | null = "hello"): ConnectOptions {
	return {
		properties: {
			authenticationMethod: "two-questions",
			...(data === null ? {} : { authenticationData: Buffer.from(data) }),
		},
	};
}

async function setUp(
	t: Parameters<typeof startRig>[0],
	settings: Parameters<typeof startRig>[1] = {},
): Promise<Rig & { readonly questions: TwoQuestions }> {
	const rig = await startRig(t, settings);
	const questions = new TwoQuestions();
	rig.api.addAuthenticator(questions);
	return { ...rig, questions };
}

/** Answers the two questions of an exchange. */
async function answer(client: TestClient): Promise<void> {
	for (const question of ["name?", "word?"]) {
		const auth = await client.expect("auth");
		if (auth.properties?.authenticationData?.toString() !== question)
			throw new Error(`expected ${question}`);
		client.auth(CONTINUE, "two-questions", `answer to ${question}`);
	}
}

async function enter(rig: Rig, clientId = "c"): Promise<TestClient> {
	const client = rig.client();
	client.startConnect(clientId, method());
	await answer(client);
	await client.expect("connack");
	return client;
}

t.test(
	"an exchange of several steps ends in CONNACK, which names the method [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5]",
	async (t) => {
		const rig = await setUp(t);
		const client = rig.client();
		client.startConnect("c", { ...method(), username: "claimed" });
		const first = await client.expect("auth");
		t.equal(first.reasonCode, CONTINUE);
		t.equal(first.properties?.authenticationMethod, "two-questions");
		t.equal(first.properties?.authenticationData?.toString(), "name?");
		t.equal(rig.broker.registry.size, 0, "nobody is in yet");
		client.auth(CONTINUE, "two-questions", "Anna");
		t.equal(
			(await client.expect("auth")).properties?.authenticationMethod,
			"two-questions",
		);
		client.auth(CONTINUE, "two-questions", "Karenina");
		const connack = await client.expect("connack");
		t.equal(connack.reasonCode, 0);
		t.equal(connack.properties?.authenticationMethod, "two-questions");
		t.equal(connack.properties?.authenticationData?.toString(), "welcome");
		t.strictSame(rig.questions.heard, ["hello", "Anna", "Karenina"]);
		t.match(rig.questions.begun, [
			{ clientId: "c", username: "claimed", protocol: "5" },
		]);
		t.equal(rig.broker.registry.get("c")?.username, "known");
		t.strictSame(await client.settled(), []);
	},
);

t.test("authentication data may be absent", async (t) => {
	const rig = await setUp(t);
	const client = rig.client();
	client.startConnect("c", method(null));
	await client.expect("auth");
	client.auth(CONTINUE, "two-questions");
	await client.expect("auth");
	t.strictSame(rig.questions.heard, ["nothing", "nothing"]);
});

t.test(
	"a method that nobody offers is refused with 0x8C [MQTT-4.12.0-1]",
	async (t) => {
		const rig = await setUp(t);
		const client = rig.client();
		client.startConnect("c", { properties: { authenticationMethod: "other" } });
		t.equal((await client.expect("connack")).reasonCode, 0x8c);
		t.ok(await client.closed());
	},
);

t.test(
	"a method that was taken away is refused, and its clients cannot re-authenticate",
	async (t) => {
		const rig = await startRig(t);
		const remove = rig.api.addAuthenticator(new TwoQuestions());
		const inside = await enter(rig);
		remove();
		const client = rig.client();
		client.startConnect("d", method());
		t.equal((await client.expect("connack")).reasonCode, 0x8c);
		inside.auth(REAUTHENTICATE, "two-questions", "hello");
		t.equal((await inside.expect("disconnect")).reasonCode, 0x87);
		t.ok(await inside.closed());
	},
);

t.test(
	"a client without a method gets no AUTH and no method in CONNACK [MQTT-4.12.0-6]",
	async (t) => {
		const rig = await setUp(t);
		const client = rig.client();
		const connack = await client.connect("c");
		t.equal(connack.properties?.authenticationMethod, undefined);
		t.strictSame(rig.questions.begun, []);
		client.auth(REAUTHENTICATE, "two-questions");
		t.equal((await client.expect("disconnect")).reasonCode, 0x82); // [MQTT-4.12.0-7]
		t.ok(await client.closed());
	},
);

t.test(
	"a refusal at the first or a later step is a CONNACK and a close [MQTT-4.12.0-4]",
	async (t) => {
		const rig = await setUp(t);
		const first = rig.client();
		first.startConnect("c", method("refuse"));
		t.equal(
			(await first.expect("connack")).reasonCode,
			ReasonCode.NotAuthorized,
		);
		t.ok(await first.closed());
		const later = rig.client();
		later.startConnect("c", method());
		await later.expect("auth");
		later.auth(CONTINUE, "two-questions", "refuse");
		t.equal(
			(await later.expect("connack")).reasonCode,
			ReasonCode.NotAuthorized,
		);
		t.ok(await later.closed());
		t.equal(rig.broker.registry.size, 0);
		t.match(rig.log.join("\n"), /client refused.*client=c.*wrong word/);
	},
);

t.test(
	"a method that fails closes this client only, and says so in the log",
	async (t) => {
		for (const words of ["throw", "throw at once"]) {
			const rig = await setUp(t);
			const bystander = await rig.join("bystander");
			const client = rig.client();
			client.startConnect("c", method(words));
			t.ok(await client.closed());
			t.match(rig.log.join("\n"), /broken/);
			t.strictSame(await bystander.settled(), []);
			t.equal(rig.broker.registry.size, 1);
		}
	},
);

t.test(
	"another method in AUTH than in CONNECT ends the exchange [MQTT-4.12.0-5]",
	async (t) => {
		const rig = await setUp(t);
		const client = rig.client();
		client.startConnect("c", method());
		await client.expect("auth");
		client.auth(CONTINUE, "other", "Anna");
		t.ok(await client.closed());
		t.strictSame(rig.questions.heard, ["hello"]);
		t.equal(rig.broker.registry.size, 0);
	},
);

t.test("only Continue is an answer [MQTT-4.12.0-3]", async (t) => {
	for (const reasonCode of [0, REAUTHENTICATE]) {
		const rig = await setUp(t);
		const client = rig.client();
		client.startConnect("c", method());
		await client.expect("auth");
		client.auth(reasonCode, "two-questions", "Anna");
		t.ok(await client.closed());
		t.strictSame(rig.questions.heard, ["hello"]);
	}
});

t.test(
	"other packets before CONNACK end the exchange [MQTT-3.1.2-30]",
	async (t) => {
		const rig = await setUp(t);
		const packets: ((client: TestClient) => void)[] = [
			(client) => client.publish("a", "early"),
			(client) => client.startSubscribe("#"),
			(client) => client.write({ cmd: "pingreq" }),
			(client) => client.startConnect("c", method()),
			(client) => client.acknowledge("puback", 1),
		];
		const witness = await rig.join("witness");
		await witness.subscribe("#");
		for (const send of packets) {
			const client = rig.client();
			client.startConnect("c", method());
			await client.expect("auth");
			send(client);
			t.ok(await client.closed());
		}
		t.strictSame(await witness.settled(), []);
		t.equal(rig.broker.registry.size, 1);
	},
);

t.test(
	"a packet sent ahead while the method thinks is not handled before CONNACK",
	async (t) => {
		const rig = await setUp(t);
		const witness = await rig.join("witness");
		await witness.subscribe("#");
		const client = rig.client();
		client.startConnect("c", method());
		client.publish("a", "early");
		t.ok(await client.closed());
		t.strictSame(await witness.settled(), []);
	},
);

t.test(
	"a client may give up during the exchange [MQTT-3.1.2-30]",
	async (t) => {
		const rig = await setUp(t);
		const client = rig.client();
		client.startConnect("c", method());
		await client.expect("auth");
		client.write({ cmd: "disconnect" });
		t.ok(await client.closed());
		t.equal(rig.broker.connections.size, 0);
		t.equal(rig.broker.statistics.protocolErrors, 0);
	},
);

t.test(
	"an answer of the method for a client that has left is ignored",
	async (t) => {
		const rig = await setUp(t);
		const client = rig.client();
		client.startConnect("c", method());
		client.destroy();
		await turns(20);
		t.equal(rig.broker.connections.size, 0);
		t.equal(rig.broker.registry.size, 0);
	},
);

t.test(
	"connect_timeout ends an exchange in which the client is silent",
	async (t) => {
		const rig = await setUp(t, { connect_timeout: "5s" });
		const client = rig.client();
		client.startConnect("c", method());
		await client.expect("auth");
		await rig.clock.advanceAsync(4800);
		t.notOk(client.isClosed);
		await rig.clock.advanceAsync(400);
		t.ok(await client.closed());
		t.match(rig.log.join("\n"), /connect_timeout/);
		t.equal(rig.broker.connections.size, 0);
	},
);

t.test("connect_timeout ends an exchange that drags on", async (t) => {
	const rig = await setUp(t, { connect_timeout: "5s" });
	const client = rig.client();
	client.startConnect("c", method());
	await client.expect("auth");
	await rig.clock.advanceAsync(3000);
	client.auth(CONTINUE, "two-questions", "Anna");
	await client.expect("auth");
	await rig.clock.advanceAsync(2200);
	t.ok(await client.closed());
});

t.test(
	"CONNACK after an exchange waits for the store, however long",
	async (t) => {
		const rig = await startHandRig(t, { connect_timeout: "5s" });
		rig.api.addAuthenticator(new TwoQuestions());
		const client = rig.client();
		client.startConnect("c", {
			clean: false,
			properties: { ...method().properties, sessionExpiryInterval: 100 },
		});
		rig.hand.hold();
		await answer(client);
		await turns(12);
		await rig.clock.advanceAsync(20_000);
		t.equal(client.pending.length, 0);
		t.notOk(client.isClosed);
		await rig.hand.release();
		t.equal((await client.expect("connack")).reasonCode, 0);
	},
);

t.test(
	"re-authentication goes on beside other packets and ends in AUTH Success [MQTT-4.12.1-1]",
	async (t) => {
		const rig = await setUp(t);
		const client = await enter(rig);
		await client.subscribe("a");
		client.auth(REAUTHENTICATE, "two-questions", "again");
		const first = await client.expect("auth");
		t.equal(first.reasonCode, CONTINUE);
		client.publish("a", "between");
		t.strictSame(await client.settled(), ["publish between q0"]);
		client.auth(CONTINUE, "two-questions", "Anna");
		await client.expect("auth");
		client.auth(CONTINUE, "two-questions", "Karenina");
		const last = await client.expect("auth");
		t.equal(last.reasonCode, 0);
		t.equal(last.properties?.authenticationMethod, "two-questions"); // [MQTT-4.12.0-5]
		t.equal(last.properties?.authenticationData?.toString(), "welcome");
		t.equal(rig.questions.begun.length, 2);
		t.strictSame(await client.settled(), []);
	},
);

t.test(
	"packets that follow a re-authentication at once are handled after its step",
	async (t) => {
		const rig = await setUp(t);
		const client = await enter(rig);
		client.auth(REAUTHENTICATE, "two-questions", "again");
		client.publish("nobody", "m", 1, { messageId: 6 });
		t.equal((await client.expect("auth")).reasonCode, CONTINUE);
		t.equal((await client.expect("puback")).messageId, 6);
	},
);

t.test(
	"a failed re-authentication ends in DISCONNECT with its reason [MQTT-4.12.1-2]",
	async (t) => {
		const rig = await setUp(t);
		for (const answers of [["refuse"], ["again", "refuse"]]) {
			const client = await enter(rig);
			client.auth(REAUTHENTICATE, "two-questions", answers[0]);
			if (answers[1] !== undefined) {
				await client.expect("auth");
				client.auth(CONTINUE, "two-questions", answers[1]);
			}
			t.equal(
				(await client.expect("disconnect")).reasonCode,
				ReasonCode.NotAuthorized,
			);
			t.ok(await client.closed());
		}
	},
);

t.test(
	"re-authentication with another method is refused [MQTT-4.12.1-1]",
	async (t) => {
		const rig = await setUp(t);
		rig.api.addAuthenticator({
			method: "other",
			begin: () => ({ next: () => ({ step: "success", data: null }) }),
		});
		const client = await enter(rig);
		client.auth(REAUTHENTICATE, "other", "again");
		t.equal((await client.expect("disconnect")).reasonCode, 0x82);
		t.ok(await client.closed());
	},
);

t.test("Continue without an exchange is refused", async (t) => {
	const rig = await setUp(t);
	for (const reasonCode of [CONTINUE, 0]) {
		const client = await enter(rig);
		client.auth(reasonCode, "two-questions", "Anna");
		t.equal((await client.expect("disconnect")).reasonCode, 0x82);
		t.ok(await client.closed());
	}
});

t.test(
	"a failing method during re-authentication ends that connection",
	async (t) => {
		const rig = await setUp(t);
		const client = await enter(rig);
		client.auth(REAUTHENTICATE, "two-questions", "throw");
		t.equal(
			(await client.expect("disconnect")).reasonCode,
			ReasonCode.UnspecifiedError,
		);
		t.ok(await client.closed());
	},
);

t.test("a method may answer without taking time", async (t) => {
	const rig = await startRig(t);
	rig.api.addAuthenticator({
		method: "yes",
		begin: () => ({ next: () => ({ step: "success", data: null }) }),
	});
	const client = rig.client();
	const connack = await client.connect("c", {
		username: "u",
		properties: { authenticationMethod: "yes" },
	});
	t.equal(connack.reasonCode, 0);
	t.equal(connack.properties?.authenticationMethod, "yes");
	t.equal(connack.properties?.authenticationData, undefined);
	t.equal(rig.broker.registry.get("c")?.username, "u");
});

t.test(
	"a method vouches for the client where anonymous ones are refused",
	async (t) => {
		const rig = await setUp(t, { allow_anonymous: "off" });
		await enter(rig);
		const anonymous = rig.client();
		t.equal(
			(await anonymous.connect("d")).reasonCode,
			ReasonCode.NotAuthorized,
		);
	},
);

t.test("AUTH of an MQTT 3.1.1 client is a malformed packet", async (t) => {
	const rig = await setUp(t);
	const client = await rig.join("c", {}, 4);
	client.send(Buffer.of(0xf0, 0x00));
	t.ok(await client.closed());
});
