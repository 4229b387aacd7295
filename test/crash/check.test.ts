/** The checker of the crash tests finds what it is there for: logs made by hand. */
import t from "tap";
import { check } from "./check.ts";
import type { Deed, Event } from "./events.ts";

type Line = [who: string, deed: Deed];

/** A log with one event each millisecond; a number is a pause in ms. */
function log(...lines: (Line | number | Line[])[]): Event[] {
	const events: Event[] = [];
	let at = 1000;
	for (const line of lines.flatMap(unfold)) {
		if (typeof line === "number") at += line;
		else events.push({ at: at++, disk: 0, who: line[0], ...line[1] });
	}
	return events;
}

function unfold(line: Line | number | Line[]): (Line | number)[] {
	if (typeof line === "number") return [line];
	return Array.isArray(line[0]) ? (line as Line[]) : [line as Line];
}

function violations(...lines: (Line | number | Line[])[]): string[] {
	return check(log(...lines)).violations;
}

function connect(
	who: string,
	present: boolean,
	more: Partial<Deed & { did: "connect" }> = {},
): Line[] {
	const deed = { clean: false, expirySeconds: 3600, will: null, ...more };
	return [
		[who, { did: "connect", ...deed }],
		[who, { did: "connack", present }],
	];
}

function subscribe(who: string, filter = "flow/#"): Line[] {
	return [
		[who, { did: "subscribe", filter, qos: 2 }],
		[who, { did: "subscribed", filter }],
	];
}

const qos1 = "flow/p/1";
const qos2 = "flow/p/2";

function send(number: number, topic = qos1): Line {
	const qos = topic === qos2 ? 2 : 1;
	return ["p", { did: "send", id: number, topic, number, qos, retain: false }];
}

/** Sent and acknowledged. */
function publish(number: number, topic = qos1): Line[] {
	if (topic !== qos2)
		return [send(number, topic), ["p", { did: "puback", id: number }]];
	return [
		send(number, topic),
		["p", { did: "pubrec", id: number }],
		["p", { did: "pubcomp", id: number }],
	];
}

function got(number: number, topic = qos1, id = number, dup = false): Line {
	const qos = topic === qos2 ? 2 : 1;
	const rest = { id, qos, dup, retain: false } as const;
	return ["s", { did: "got", topic, number, ...rest }];
}

function answer(packet: "puback" | "pubcomp", id: number): Line {
	return ["s", { did: "answer", packet, id }];
}

const gone: Line = ["s", { did: "gone", politely: true }];
const lost: Line = ["s", { did: "gone", politely: false }];
const killed: Line = ["broker", { did: "killed" }];
const started: Line = ["broker", { did: "started" }];
const settled: Line = ["load", { did: "settled" }];
const begin = [...connect("p", false), ...connect("s", false)];
const ready = [...begin, ...subscribe("s")];

t.test("messages", async (t) => {
	t.strictSame(
		violations(ready, publish(1), got(1), publish(2), got(2)),
		[],
		"all that was sent came, in order",
	);
	t.match(violations(ready, publish(1)), [/lost 1 of flow\/p\/1: 1/]);
	t.match(violations(ready, publish(1), publish(2), got(2), got(1)), [
		/1 .* came after 2/,
	]);
	t.match(violations(ready, got(1)), [/never sent/]);
	t.match(violations(ready, send(1), got(1)), [/never acknowledged/]);
	t.match(
		violations(
			ready,
			send(1),
			send(2),
			["p", { did: "puback", id: 2 }],
			["p", { did: "puback", id: 1 }],
			got(1),
			got(2),
		),
		[/2 was acknowledged after 0/, /1 was acknowledged after 2/],
	);
	t.strictSame(
		violations(begin, publish(1), subscribe("s"), publish(2), got(2)),
		[],
		"what was sent before SUBACK need not come",
	);
});

t.test("QoS 1 again", async (t) => {
	const once = [...ready, ...publish(1), got(1)];
	t.match(violations(once, got(1, qos1, 2)), [/too often on one connection/]);
	t.strictSame(
		violations(once, lost, connect("s", true), got(1, qos1, 1, true)),
		[],
		"it was not acknowledged",
	);
	const answered = [...once, answer("puback", 1)];
	t.match(violations(answered, gone, connect("s", true), got(1)), [
		/acknowledged long before/,
	]);
	t.strictSame(
		violations(answered, gone, killed, started, connect("s", true), got(1)),
		[],
		"a kill may take the removal back",
	);
	t.match(
		violations(
			answered,
			gone,
			60_000,
			killed,
			started,
			connect("s", true),
			got(1),
		),
		[/acknowledged long before/],
	);
	t.match(
		violations(
			answered,
			gone,
			settled,
			killed,
			started,
			connect("s", true),
			got(1),
		),
		[/acknowledged long before/],
	);
	const twice = [send(1), ...publish(1), got(1), got(1, qos1, 2)];
	t.strictSame(violations(ready, twice), [], "it was published twice");
});

t.test("QoS 2 once", async (t) => {
	const once = [...ready, ...publish(1, qos2), got(1, qos2)];
	const back = [lost, killed, started, ...connect("s", true)] as Line[];
	t.strictSame(
		violations(once, back, got(1, qos2, 1, true)),
		[],
		"the handshake goes on",
	);
	t.match(violations(once, back, got(1, qos2)), [/under an id that holds/]);
	t.match(violations(once, back, got(1, qos2, 9, true)), [/second time/]);
	t.match(violations(once, publish(2, qos2), got(2, qos2, 1, true)), [
		/under an id that holds flow\/p\/2 1/,
		/lost 1/,
	]);
	const complete = [
		...once,
		["s", { did: "pubrel", id: 1 }] as Line,
		answer("pubcomp", 1),
	];
	t.match(violations(complete, back, got(1, qos2)), [/second time/]);
});

t.test("what a power cut may take", async (t) => {
	const events = log(ready, 5000, publish(1));
	const [last] = events.slice(-1);
	t.match(check(events).violations, [/lost 1/]);
	t.strictSame(check(events, last?.at).violations, []);
	t.match(check(events, (last?.at ?? 0) + 1).violations, [/lost 1/]);
});

t.test("subscriptions and sessions that ended", async (t) => {
	const away: Line[] = [
		["s", { did: "unsubscribe", filter: "flow/#" }],
		["s", { did: "unsubscribed", filter: "flow/#" }],
	];
	t.strictSame(
		violations(ready, send(1), away, ["p", { did: "puback", id: 1 }]),
		[],
	);
	t.match(violations(ready, away, publish(1), got(1)), [/sent after UNSUBACK/]);
	t.match(violations(ready, publish(1), away), [/lost 1/]);
	t.match(violations(ready, gone, connect("s", false)), [
		/its session is gone/,
	]);
	t.match(
		violations(
			ready,
			gone,
			connect("s", false, { clean: true, expirySeconds: 0 }),
			gone,
			connect("s", true),
		),
		[/had ended is present/],
	);
	t.match(
		violations(
			ready,
			publish(1),
			gone,
			connect("s", false, { clean: true }),
			got(1),
		),
		[/without subscriptions/],
	);
	const brief = connect("s", false, { expirySeconds: 2 });
	t.match(violations(brief, gone, 6000, connect("s", true)), [/had ended/]);
	t.match(violations(brief, gone, 1000, connect("s", false)), [/is gone/]);
	// A CONNECT that reached nobody does not stop the clock of the session.
	const [unanswered] = connect("s", false, { expirySeconds: 2 });
	const inVain = [gone, 1300, unanswered as Line, gone, 500];
	t.strictSame(violations(brief, ...inVain, connect("s", false)), []);
	t.match(violations(brief, ...inVain, 6000, connect("s", true)), [
		/had ended/,
	]);
});

t.test("wills", async (t) => {
	const watching = [...connect("s", false), ...subscribe("s", "will/#")];
	const will = (number: number, delaySeconds = 0) => ({
		will: { number, delaySeconds },
	});
	const testator = connect("w", false, will(1));
	const break_: Line = ["w", { did: "gone", politely: false }];
	const came = got(1, "will/w");
	t.match(violations(watching, testator, break_), [/will 1 of w never came/]);
	t.strictSame(violations(watching, testator, break_, came), []);
	t.match(violations(watching, testator, break_, killed, started), [
		/never came/,
	]);
	const bye: Line = ["w", { did: "gone", politely: true }];
	t.match(
		violations(watching, testator, bye, connect("w", true, will(2)), came),
		[/had been discarded/],
	);
	const heir = connect("w", false, will(1, 5));
	t.match(
		violations(
			watching,
			heir,
			break_,
			1000,
			connect("w", true, will(2, 5)),
			came,
		),
		[/had been discarded/],
	);
	t.match(
		violations(watching, heir, break_, 9000, connect("w", true, will(2, 5))),
		[/never came/],
	);
});

t.test("retained messages", async (t) => {
	const look = (...lines: Line[]): Line[] => [
		...connect("s", false, { clean: true, expirySeconds: 0 }),
		...subscribe("s", "kept/#"),
		...lines,
		["s", { did: "looked" }],
		gone,
	];
	const writer = connect("p", false);
	const plain = "kept/p/plain";
	const twice = [...writer, ...publish(1, plain), ...publish(2, plain)];
	t.strictSame(violations(twice, look(got(2, plain))), []);
	t.match(violations(twice, look(got(1, plain))), [/is 1, 2 was acknowledged/]);
	t.match(violations(twice, look()), [/has no value/]);
	t.strictSame(
		violations(twice, send(3, plain), look(got(3, plain)), [
			"p",
			{ did: "puback", id: 3 },
		]),
		[],
	);
	const cleared = "kept/p/cleared";
	const five = [1, 2, 3, 4, 5].flatMap((number) => publish(number, cleared));
	t.strictSame(violations(writer, five, look()), []);
	t.match(violations(writer, five, look(got(4, cleared))), [/is 4/]);
	t.match(violations(writer, five, publish(6, cleared), look()), [
		/has no value/,
	]);
	const brief = "kept/five-p/brief";
	const old = { ...got(1, brief)[1], retain: true } as Deed;
	t.match(violations(writer, publish(1, brief), 9000, look(["s", old])), [
		/had expired/,
	]);
});
