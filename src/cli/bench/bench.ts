/**
 * `broker bench`: puts load on an MQTT broker, ours or another, and says what it cost.
 *
 *     connect   CLIENTS connections                      crowd.ts
 *     pub       publishers alone                         traffic.ts
 *     sub       subscribers alone, for what others send
 *     fanin     every publisher has its topic, all subscribers take all
 *     fanout    one topic for all
 *     pair      publisher i to subscriber i
 *     offline   messages for subscribers that are away   halves.ts
 *     retained  many topics, and then a subscriber to all
 *
 * For programs: `broker bench fanout --subscribers 100 --qos 1 --json` prints one object on
 * standard output, `{"scenarios": [BenchResult, ...], "passed": true}` with BenchResult as in
 * result.ts; what it is doing is on standard error. The exit code is 0 when all limits hold, 1
 * when one is broken or the broker cannot be reached, 2 for wrong arguments, 130 when a
 * signal has ended it (with the figures so far). In one process: `makeScenario` (scenario.ts)
 * and `runScenario` (run-scenario.ts).
 *
 * One thread and no queue: what the broker sends is counted where it lies in the read buffer,
 * and frames to send are encoded once (publisher.ts).
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Assignment } from "../../config/parse.ts";
import { CommandFailure } from "../../platform/command.ts";
import { benchOptions } from "../bench-options.ts";
import type { CliCall } from "../cli-call.ts";
import { findRunning } from "../running-broker.ts";
import { findBroker, isLoopback, openFilesLimit } from "./broker-process.ts";
import { readCredentials } from "./crowd.ts";
import { asFile, type Chapter } from "./report-picture.ts";
import { asText } from "./report-text.ts";
import { placeOf, runScenario } from "./run-scenario.ts";
import { makeScenario, type Scenario, ScenarioError } from "./scenario.ts";
import { readScenarios } from "./scenario-file.ts";
import { Timeline } from "./timeline.ts";

const EX_USAGE = 2;
const INTERRUPTED = 130;
/** Open files beside the connections. */
const SPARE_DESCRIPTORS = 50;

/** `broker bench SHAPE`. @returns the exit code */
export async function bench(call: CliCall): Promise<number> {
	const shape = call.words[0] ?? "";
	const given = [
		{ key: "shape", value: shape, where: "" },
		...fromOptions(call.options),
	];
	return runAll(call, [inWords(() => makeScenario(shape, given))]);
}

/** `broker bench run FILE`. @returns the exit code */
export async function benchRun(call: CliCall): Promise<number> {
	const file = call.words[0] ?? "";
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch (error) {
		throw new CommandFailure(
			`cannot read ${file}: ${(error as Error).message}`,
			EX_USAGE,
		);
	}
	const over = fromOptions(call.options);
	return runAll(
		call,
		inWords(() => readScenarios(text, file, over)),
	);
}

async function runAll(
	call: CliCall,
	scenarios: readonly Scenario[],
): Promise<number> {
	for (const scenario of scenarios) refuseStranger(scenario);
	for (const scenario of scenarios) checkDescriptors(scenario);
	const picture = pictureOf(call);
	const stop = new AbortController();
	const onSignal = () => {
		// Twice means at once.
		if (stop.signal.aborted) process.exit(INTERRUPTED);
		stop.abort();
	};
	process.on("SIGINT", onSignal);
	process.on("SIGTERM", onSignal);
	const chapters: Chapter[] = [];
	try {
		for (const scenario of scenarios) {
			if (stop.signal.aborted) break;
			chapters.push(await runOne(call, scenario, stop.signal));
		}
	} finally {
		process.off("SIGINT", onSignal);
		process.off("SIGTERM", onSignal);
	}
	const results = chapters.map(({ result }) => result);
	const passed = results.every((result) => result.passed);
	if (picture !== "") writePicture(picture, chapters);
	if (call.json)
		call.out.write(
			`${JSON.stringify({ scenarios: results, passed }, null, "\t")}\n`,
		);
	for (const { name, limits } of results)
		for (const limit of limits)
			if (!limit.passed)
				process.stderr.write(`${name}: limit broken: ${limit.words}\n`);
	if (stop.signal.aborted) return INTERRUPTED;
	return passed ? 0 : 1;
}

async function runOne(
	call: CliCall,
	scenario: Scenario,
	signal: AbortSignal,
): Promise<Chapter> {
	const timeline = new Timeline();
	const ours = () => findRunning(call).then((running) => running?.pid ?? 0);
	const result = await runScenario(scenario, {
		credentials: credentialsOf(scenario),
		signal,
		pid: await findBroker(scenario, () => ours().catch(() => 0)),
		progress: (line, moment) => {
			timeline.add(moment);
			if (call.options.quiet !== true) process.stderr.write(`${line}\n`);
		},
	});
	if (!call.json) call.out.write(asText(result));
	return { result, moments: timeline.moments };
}

/** @returns "" when none is asked for */
function pictureOf({ options }: CliCall): string {
	if (typeof options.report !== "string") return "";
	const file = resolve(options.report);
	if (!/\.(svg|html)$/.test(file))
		throw new CommandFailure(
			`--report ${options.report}: must end with .svg or .html`,
			EX_USAGE,
		);
	if (!existsSync(dirname(file)))
		throw new CommandFailure(`there is no folder ${dirname(file)}`, EX_USAGE);
	return file;
}

function writePicture(file: string, chapters: readonly Chapter[]): void {
	const madeAt = new Date().toISOString().slice(0, 16).replace("T", " ");
	const text = asFile(chapters, file.endsWith(".html"), `${madeAt} UTC`);
	try {
		writeFileSync(file, text);
	} catch (error) {
		throw new CommandFailure(
			`cannot write ${file}: ${(error as Error).message}`,
		);
	}
}

/** What was given on the command line, with the keys of a scenario. */
function fromOptions(options: CliCall["options"]): Assignment[] {
	const given: Assignment[] = [];
	for (const [option, value] of Object.entries(options)) {
		if (value === undefined) continue;
		if (option === "limits") given.push(...limitsOf(String(value)));
		if (benchOptions[option] === undefined) continue;
		given.push({
			key: option.replaceAll("-", "_"),
			value: value === true ? "on" : String(value),
			where: `--${option}`,
		});
	}
	return given;
}

/** `p99=20ms,lost=0`. */
function limitsOf(text: string): Assignment[] {
	return text.split(",").map((part) => {
		const [figure = "", value] = part.split("=").map((word) => word.trim());
		if (value === undefined)
			throw new CommandFailure(
				`--limits ${part}: must be FIGURE=VALUE, several with commas: p99=20ms,lost=0`,
				EX_USAGE,
			);
		return { key: `limit.${figure}`, value, where: "--limits" };
	});
}

function inWords<T>(work: () => T): T {
	try {
		return work();
	} catch (error) {
		if (!(error instanceof ScenarioError)) throw error;
		throw new CommandFailure(error.message, EX_USAGE);
	}
}

/** A generator of load must not be an accident. */
function refuseStranger(scenario: Scenario): void {
	const { host, unix, yes_load_this_host } = scenario;
	if (unix !== "" || isLoopback(host) || yes_load_this_host) return;
	throw new CommandFailure(
		`${placeOf(scenario)} is not this machine: with --yes-load-this-host it gets the load all the same`,
		EX_USAGE,
	);
}

/** Each connection takes one; the runtime has made the soft limit the hard one. */
function checkDescriptors({ shape, clients, ...scenario }: Scenario): void {
	const most = openFilesLimit();
	const wanted =
		SPARE_DESCRIPTORS +
		(shape === "connect"
			? clients
			: scenario.publishers + scenario.subscribers);
	if (wanted <= most) return;
	throw new CommandFailure(
		`${scenario.name}: that many connections need ${wanted} open files, and ${most} are allowed: ulimit -n ${wanted} (as root), for the broker too`,
		EX_USAGE,
	);
}

function credentialsOf({ credentials }: Scenario) {
	try {
		return readCredentials(credentials, process.env);
	} catch (error) {
		throw new CommandFailure(
			`cannot read ${credentials}: ${(error as Error).message}`,
			EX_USAGE,
		);
	}
}
