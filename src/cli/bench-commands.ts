/** `broker bench`, as rows of the table. What it does is loaded when it is called. */
import {
	type CommandOption,
	type CommandSpec,
	jsonOption,
} from "../platform/command.ts";
import { benchOptions, benchShapes } from "./bench-options.ts";
import type { CliCall } from "./cli-call.ts";

const options: Readonly<Record<string, CommandOption>> = {
	...benchOptions,
	limits: {
		value: "FIGURE=VALUE,...",
		summary:
			"fail when a figure is beyond its limit: p50, p95, p99, p999, max, connect_p99 (a time at most), lost, duplicates, reordered, disconnects, refused (at most), publish_rate, deliver_rate, connect_rate (a second, at least), broker_cpu (us a message), broker_rss",
	},
	report: {
		value: "FILE",
		summary:
			"write a picture of the figures (FILE.svg), or a page with it (FILE.html)",
	},
	quiet: { summary: "no line each second" },
	json: jsonOption,
};

export const benchCommands: readonly CommandSpec<CliCall>[] = [
	{
		name: "bench run",
		operands: "FILE",
		summary: "put the load of a scenario file on a broker",
		about: [
			"FILE has the form of broker.conf: the options of broker bench as keys with _ for -, shape = SHAPE, and limits as limit.p99 = 20ms. Lines that begin with scenario.NAME. are of one scenario only; several run one after the other. Options overrule the file.",
		],
		words: { least: 1, most: 1 },
		options,
		examples: ["bench run alarms.conf --port 1884 --report alarms.html"],
		run: async (call) => (await import("./bench/bench.ts")).benchRun(call),
	},
	{
		name: "bench",
		operands: benchShapes.join("|"),
		summary: "put load on an MQTT broker and measure it",
		about: [
			"connect makes CLIENTS connections and holds them. fanin: each publisher has a topic of its own, every subscriber takes all. fanout: one topic for all. pair: publisher i to subscriber i. pub and sub are one side alone, in a process each when one core is not enough for both. offline: messages for persistent subscribers that are away, and then all come back. retained: topics with a message each, and then a subscriber to all.",
			"Any MQTT broker will do. Without a rate, publishers send as fast as window and lag allow, which shows what the broker can do. With a rate, latency counts from the time at which a message was due.",
			"It prints rates, latencies, loss, duplicates and order, and the broker's memory and CPU time when its process is on this machine. A line each second is on standard error. It ends by itself; after an interrupt it prints the figures so far.",
			"The exit code is 0 when every limit holds, 1 when one does not or the broker cannot be reached, 2 for wrong arguments, 130 after an interrupt.",
		],
		words: { least: 1, most: 1 },
		options,
		examples: [
			"bench fanin --publishers 10 --qos 1",
			"bench connect -n 10000 --concurrency 500",
			"bench pair --publishers 50 --rate 5000 --limits p99=20ms,lost=0",
			"bench pub --to-ids 0001-1000 --interval 1s --duration 60s",
		],
		run: async (call) => (await import("./bench/bench.ts")).bench(call),
	},
];
