/** The command line clients of mosquitto against the broker, MQTT 3.1 to 5. */
import t from "tap";
import { spawnBroker } from "../support/spawn-broker.ts";
import {
	mosquittoClients,
	mosquittoPub,
	mosquittoRr,
	mosquittoSub,
} from "./command-line.ts";
import { interopConfig, runScenarios } from "./scenarios.ts";

runScenarios(mosquittoClients);

t.test("mosquitto clients with the features of MQTT 5", async (t) => {
	const broker = await spawnBroker(t, { config: interopConfig });

	await t.test("answers a request of mosquitto_rr", async (t) => {
		const responder = await mosquittoSub(
			t,
			broker,
			{ version: "5", clientId: "server", filters: ["request"], qos: 1 },
			["-F", "%R|%D|%p"],
		);
		const request = mosquittoRr(t, broker, [
			..."-d -t request -e answer/here -m question -q 1".split(" "),
			..."-D publish correlation-data thread-7".split(" "),
		]);
		const line = await responder.program.untilLine(/\|question$/);
		t.match(line, /^answer\/here\|/, "the response topic is forwarded");
		t.match(line, "thread-7", "the correlation data is forwarded");
		await mosquittoPub(
			t,
			broker,
			{ version: "5", topic: "answer/here", qos: 1, payloads: ["reply"] },
			"-D publish correlation-data thread-7".split(" "),
		);
		await request.untilLine(/^reply$/);
		await request.success();
		await responder.disconnect();
	});

	await t.test("forwards user properties in order", async (t) => {
		const reader = await mosquittoSub(
			t,
			broker,
			{ version: "5", clientId: "props", filters: ["props"], qos: 1 },
			["-F", "%P|%C|%p"],
		);
		await mosquittoPub(
			t,
			broker,
			{ version: "5", topic: "props", qos: 1, payloads: ["here"] },
			[
				..."-D publish user-property b 1".split(" "),
				..."-D publish user-property a 2".split(" "),
				..."-D publish user-property b 3".split(" "),
				..."-D publish content-type text/plain".split(" "),
			],
		);
		t.equal(
			await reader.program.untilLine(/\|here$/),
			"b:1 a:2 b:3|text/plain|here",
		);
		await reader.disconnect();
	});

	await t.test("forwards the message expiry that is left", async (t) => {
		await mosquittoPub(
			t,
			broker,
			{
				version: "5",
				topic: "expiry",
				qos: 1,
				retain: true,
				payloads: ["fresh"],
			},
			"-D publish message-expiry-interval 600".split(" "),
		);
		const reader = await mosquittoSub(
			t,
			broker,
			{ version: "5", clientId: "expiry", filters: ["expiry"], qos: 1 },
			["-F", "EXPIRY %E %p"],
		);
		const line = await reader.program.untilLine(/^EXPIRY \d+ fresh$/);
		const left = Number(line.split(" ")[1]);
		t.ok(left > 500 && left <= 600, `${left} s are left of 600 s`);
		await reader.disconnect();
	});

	await t.test("gives the subscription identifier back", async (t) => {
		const reader = await mosquittoSub(
			t,
			broker,
			{ version: "5", clientId: "ids", filters: ["ids/+"], qos: 1 },
			[
				..."-D subscribe subscription-identifier 268435455".split(" "),
				"-F",
				"IDENTIFIER %S %p",
			],
		);
		await mosquittoPub(t, broker, {
			version: "5",
			topic: "ids/1",
			qos: 1,
			payloads: ["known"],
		});
		await reader.program.untilLine(/^IDENTIFIER 268435455 known$/);
		await reader.disconnect();
	});

	await t.test("forgets a session whose expiry is zero", async (t) => {
		const options = {
			version: "5",
			clientId: "forgetful",
			filters: ["forgotten"],
			qos: 1,
			persistent: true,
		} as const;
		const before = await mosquittoSub(t, broker, options, ["-x", "0"]);
		await before.disconnect();
		await mosquittoPub(t, broker, {
			version: "5",
			topic: "forgotten",
			qos: 1,
			payloads: ["lost"],
		});
		const after = await mosquittoSub(t, broker, options, ["-x", "0"]);
		await mosquittoPub(t, broker, {
			version: "5",
			topic: "forgotten",
			qos: 1,
			payloads: ["new"],
		});
		const [first] = await after.untilReceived(1);
		t.equal(first?.payload, "new");
		await after.disconnect();
	});

	await t.test("takes a publisher that uses a topic alias", async (t) => {
		const reader = await mosquittoSub(t, broker, {
			version: "5",
			clientId: "alias-reader",
			filters: ["aliased"],
			qos: 1,
		});
		await mosquittoPub(
			t,
			broker,
			{ version: "5", topic: "aliased", qos: 1, payloads: ["a", "b"] },
			"-D publish topic-alias 3".split(" "),
		);
		const received = await reader.untilReceived(2);
		t.same(
			received.map((message) => `${message.topic} ${message.payload}`),
			["aliased a", "aliased b"],
		);
		await reader.disconnect();
	});
});
