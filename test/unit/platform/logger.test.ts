import t from "tap";
import type {
	LogFields,
	LogFormat,
	LogOptions,
} from "../../../src/platform/logger.ts";
import {
	Logger,
	levels,
	logClasses,
	noop,
} from "../../../src/platform/logger.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function setUp(change: Partial<LogOptions> = {}) {
	const lines: string[] = [];
	const options: LogOptions = {
		level: "info",
		classes: {},
		format: "text",
		...change,
	};
	const sink = (line: string) => {
		lines.push(line);
	};
	return { lines, options, log: new Logger(sink, new FakeClock(), options) };
}

function lineOf(
	format: LogFormat,
	message: string,
	fields?: LogFields,
): string {
	const { lines, log } = setUp({ format });
	log.access.info(message, fields);
	return lines[0] ?? "";
}

const client = { client: "dev1", address: "127.0.0.1:5000" };

t.test("text is for a person [F13]", async (t) => {
	t.equal(
		lineOf("text", "client connected", client),
		"2026-11-20T10:00:00.000Z info access client connected client=dev1 address=127.0.0.1:5000",
	);
	t.equal(
		lineOf("text", "plain"),
		"2026-11-20T10:00:00.000Z info access plain",
	);
});

t.test("systemd lines begin with a priority and have no time", async (t) => {
	const { lines, log } = setUp({ format: "systemd", level: "trace" });
	for (const level of levels) log.access[level]("x", { n: 1 });
	t.same(lines, [
		"<3>access x n=1",
		"<4>access x n=1",
		"<6>access x n=1",
		"<7>access x n=1",
		"<7>access x n=1",
	]);
});

t.test("json is one object a line", async (t) => {
	t.same(
		JSON.parse(
			lineOf("json", "client connected", {
				...client,
				port: 5000,
				big: 10n,
				clean: true,
				none: null,
				left: undefined,
				level: "mine",
				error: new Error("outer", { cause: new Error("inner") }),
			}),
		),
		{
			time: "2026-11-20T10:00:00.000Z",
			level: "info",
			class: "access",
			message: "client connected",
			...client,
			port: 5000,
			big: "10",
			clean: true,
			none: null,
			level_: "mine",
			error: "outer: inner",
		},
	);
});

t.test("values are quoted when they could be misread", async (t) => {
	const value = (v: LogFields[string]) =>
		lineOf("systemd", "m", { v }).slice("<6>access m".length);
	t.equal(value("a/b,c;d"), " v=a/b,c;d");
	t.equal(value(""), ' v=""');
	t.equal(value("two words"), ' v="two words"');
	t.equal(value("a=b"), ' v="a=b"');
	t.equal(value('say "x"'), ' v="say \\"x\\""');
	t.equal(value("back\\slash"), ' v="back\\\\slash"');
	t.equal(value("naïve 日本"), ' v="naïve 日本"');
	t.equal(value("🌍"), " v=🌍");
	t.equal(value(1.5), " v=1.5");
	t.equal(value(false), " v=false");
	t.equal(value(null), " v=null");
	t.equal(value(undefined), "");
	const error = new Error("disk full", { cause: new Error("ENOSPC") });
	t.equal(value(error), ' v="disk full: ENOSPC"');
	t.equal(value(new TypeError()), " v=TypeError");
});

const hostile =
	'x\r\n2026-11-20T10:00:00.000Z error access forged client="root"\u001b[2J\u009b1m\u0000\u007f\u0085\u2028\u2029\u202e\u200f\u2066\ufeff\ud800\tend';

for (const format of ["text", "systemd", "json"] as const)
	t.test(`a hostile client forges nothing in ${format}`, async (t) => {
		const line = lineOf(format, `refused ${hostile}`, {
			client: hostile,
			error: new Error(hostile),
		});
		t.notMatch(line, /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/u);
		if (format === "json") t.equal(JSON.parse(line).client, hostile);
		else t.match(line, 'client="x\\r\\n2026-11-20T10:00:00.000Z error');
	});

t.test("long values are cut, between characters", async (t) => {
	const cut = (v: string) =>
		lineOf("systemd", "m", { v }).slice("<6>access m v=".length);
	t.equal(cut("x".repeat(256)), "x".repeat(256));
	t.equal(cut("x".repeat(65_535)), `${"x".repeat(256)}…`);
	t.equal(cut(`${"x".repeat(255)}🌍x`), `${"x".repeat(255)}…`);
	t.ok(lineOf("text", "m".repeat(65_535)).length < 1100);
	t.ok(
		lineOf("json", "m".repeat(65_535), { v: "v".repeat(9999) }).length < 1500,
	);
});

t.test(
	"a level that is off is the empty function, and has no time",
	async (t) => {
		const { lines, log } = setUp();
		for (const name of logClasses) {
			t.equal(log[name].debug, noop);
			t.equal(log[name].trace, noop);
			t.equal(log[name].isDebug, false);
			t.not(log[name].info, noop);
			log[name].debug("unseen");
			log[name].info("seen");
		}
		t.equal(lines.length, logClasses.length);
		t.match(lines[6], "info system seen");
	},
);

t.test("classes are switched one by one, at run time [F13]", async (t) => {
	const { log, lines, options } = setUp({
		level: "warning",
		classes: { packet: "trace", access: "off" },
	});
	t.equal(log.packet.isTrace, true);
	t.equal(log.access.error, noop);
	t.equal(log.store.info, noop);
	t.not(log.store.warning, noop);
	log.configure({ ...options, level: "debug", classes: {}, format: "json" });
	t.equal(log.packet.isTrace, false);
	t.equal(log.packet.isDebug, true);
	log.access.debug("now");
	t.equal(JSON.parse(lines[0] ?? "").class, "access");
});

t.test(
	"lines that the sink lost are reported once it takes lines again",
	async (t) => {
		const lines: string[] = [];
		let isStuck = false;
		const sink = (line: string) => {
			if (isStuck) sink.dropped++;
			else lines.push(line);
		};
		sink.dropped = 0;
		const log = new Logger(sink, new FakeClock(), {
			level: "info",
			classes: {},
			format: "systemd",
		});
		log.access.info("one");
		isStuck = true;
		log.access.info("two");
		log.access.info("three");
		isStuck = false;
		log.access.info("four");
		log.access.info("five");
		t.same(lines, [
			"<6>access one",
			"<6>access four",
			"<4>system log lines were lost: the log's reader did not take them lines=2",
			"<6>access five",
		]);
	},
);
