/**
 * `broker import mosquitto`: the configuration and the state of a mosquitto as ours. Both
 * or nothing: what takes long is done aside, then both take their places.
 */
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { resolve } from "node:path";
import { systemClock } from "../../platform/clock.ts";
import {
	CommandFailure,
	type CommandSpec,
	jsonOption,
} from "../../platform/command.ts";
import { plural } from "../../platform/words.ts";
import type { CliCall } from "../cli-call.ts";
import { findRunning } from "../running-broker.ts";
import { StateFolder } from "../state-folder.ts";
import { refuseExisting } from "../write-file.ts";
import { type ConfFiles, readConf } from "./conf-file.ts";
import { type ConvertedConf, convertConf } from "./convert-conf.ts";
import { DatabaseFile, NoDatabase } from "./database-file.ts";
import { FileWindow } from "./file-window.ts";
import { importState } from "./import-state.ts";
import {
	checkText,
	defaultOutput,
	type PlacedConfig,
	placeConfig,
} from "./place-config.ts";
import { describeFindings, describePlan, describeWritten } from "./report.ts";
import { StatePlan } from "./state-plan.ts";

const DEFAULT_FILE = "/etc/mosquitto/mosquitto.conf";

export const importCommands: readonly CommandSpec<CliCall>[] = [
	{
		name: "import mosquitto",
		operands: "[FILE]",
		summary: "take over mosquitto's configuration and state",
		about: [
			"Reads FILE (/etc/mosquitto/mosquitto.conf) with what it includes, and the mosquitto.db that it names: retained messages, sessions, what waits in queues and what is on its way. Says what becomes of each line. mosquitto's files stay as they are.",
			"Nothing is opened to anybody whom mosquitto kept out by users, rules, plugins or TLS: these do not exist here yet. Such a listener is for this machine only, or stays closed; a warning says so.",
			"The exit code is 0 when it is done, or could be with --dry-run; what is there already is kept when --force replaces it.",
		],
		words: { least: 0, most: 1 },
		options: {
			db: {
				value: "FILE",
				summary: "the mosquitto.db, when it lies elsewhere",
			},
			output: {
				value: "FILE",
				summary:
					"the configuration that is written (conf.d/mosquitto.conf beside broker.conf)",
			},
			data: {
				value: "DIR",
				summary: "where the state goes (data_dir of the configuration)",
			},
			"dry-run": { summary: "say what would be done, and write nothing" },
			force: { summary: "replace what is there" },
			json: jsonOption,
		},
		examples: [
			"import mosquitto --dry-run",
			"import mosquitto /etc/mosquitto/mosquitto.conf",
		],
		run: importMosquitto,
	},
];

/** Everything that is known before anything is written. */
interface Preparation {
	readonly conf: ConfFiles;
	readonly converted: ConvertedConf;
	readonly output: string;
	/** null when the state stays behind; `why` says why. */
	readonly state: OpenState | null;
	readonly why: string;
	readonly folder: StateFolder | null;
}

interface OpenState {
	readonly path: string;
	readonly descriptor: number;
	readonly window: FileWindow;
	readonly file: DatabaseFile;
	readonly plan: StatePlan;
}

async function importMosquitto(call: CliCall): Promise<number> {
	const { out, options, json } = call;
	const isDryRun = options["dry-run"] === true;
	const prepared = await prepare(call);
	const { converted, output, state } = prepared;
	try {
		if (json) out.write(`${JSON.stringify(asJson(prepared), null, "\t")}\n`);
		else out.write(describe(prepared));
		if (isDryRun) {
			if (!json)
				out.write(
					`\nNothing was written. ${output} would hold:\n\n${converted.text}`,
				);
			return 0;
		}
		const told = await carryOut(call, prepared);
		if (!json) out.write(told);
		return 0;
	} finally {
		if (state !== null) closeSync(state.descriptor);
	}
}

async function prepare(call: CliCall): Promise<Preparation> {
	const { words, options } = call;
	const conf = readConf(resolve(words[0] ?? DEFAULT_FILE));
	const dataFolder =
		typeof options.data === "string" ? resolve(options.data) : null;
	const converted = convertConf(conf, {
		interfaces: networkInterfaces(),
		dataFolder,
	});
	const current = call.config();
	const output = resolve(
		typeof options.output === "string"
			? options.output
			: defaultOutput(current.options),
	);
	const isDryRun = options["dry-run"] === true;
	if (!isDryRun) refuseExisting(output, options.force === true);
	const checked = await checkText(converted.text, current.options);
	const rest = { conf, converted, output };
	if (!checked.settings.persistence)
		return {
			...rest,
			state: null,
			why: "persistence is off: no state is brought in",
			folder: null,
		};
	const given = typeof options.db === "string" ? resolve(options.db) : null;
	if (given === null && !converted.isPersistent)
		return {
			...rest,
			state: null,
			why: "mosquitto kept no state (persistence is not true)",
			folder: null,
		};
	const path = given ?? resolve(converted.databaseFile);
	const expiry = checked.settings.persistent_client_expiration / 1000;
	const state = openDatabase(path, converted, expiry, given !== null);
	const folder = new StateFolder(current, dataFolder ?? undefined);
	const why =
		state === null ? `there is no state of mosquitto: no file ${path}` : "";
	return { ...rest, state, why, folder };
}

/** @throws CommandFailure when it cannot be read, or is named and not there */
function openDatabase(
	path: string,
	converted: ConvertedConf,
	longestExpirySeconds: number,
	mustExist: boolean,
): OpenState | null {
	let descriptor: number;
	try {
		descriptor = openSync(path, "r");
	} catch (error) {
		const { code, message } = error as NodeJS.ErrnoException;
		if (code === "ENOENT" && !mustExist) return null;
		const hint = code === "EACCES" ? "; call it as root (sudo)" : "";
		throw new CommandFailure(`cannot read ${path}: ${message}${hint}`);
	}
	try {
		const window = new FileWindow(descriptor);
		const file = new DatabaseFile(window);
		const plan = new StatePlan(file, {
			nowMs: systemClock.wallMs(),
			savedAtMs: window.writtenAtMs,
			longestExpirySeconds,
			mosquittoExpirySeconds: converted.expirySeconds,
			isBridge: (clientId) => converted.isBridge(clientId),
		});
		return { path, descriptor, window, file, plan };
	} catch (error) {
		closeSync(descriptor);
		if (!(error instanceof NoDatabase)) throw error;
		throw new CommandFailure(`${path} ${error.message}`);
	}
}

function describe({ conf, converted, state, why }: Preparation): string {
	const files = conf.files.join(", ");
	const options = plural(conf.lines.length, "option");
	const head = `Read ${files}: ${options}\n${describeFindings(converted.findings)}`;
	if (state === null) return `${head}\nState: ${why}${unsaved(why)}\n`;
	const { path, file, plan, window } = state;
	return (
		head + describePlan(path, file, plan, window.writtenAtMs) + running(path)
	);
}

function asJson({ conf, converted, output, state, why }: Preparation): unknown {
	const plan = state?.plan;
	return {
		files: conf.files,
		findings: converted.findings,
		output,
		state:
			plan === undefined
				? { why }
				: {
						file: state?.path,
						format: state?.file.version,
						sessions: plan.byKey.length,
						subscriptions: plan.subscriptions,
						retained: plan.retained,
						queued: plan.queued,
						incoming: plan.incoming.length,
						leftOut: plan.leftOut,
						damages: state?.file.damages,
					},
	};
}

/** mosquitto may not have saved anything yet. */
function unsaved(why: string): string {
	const isMissing = why.endsWith("mosquitto.db") && pidOfMosquitto() !== null;
	return isMissing
		? "\n  mosquitto runs: systemctl kill -s USR1 mosquitto has it save its state, and so has stopping it"
		: "";
}

/** What mosquitto has got since it saved the file is not in it. */
function running(path: string): string {
	const pid = pidOfMosquitto();
	if (pid === null) return "";
	return `  WARNING: mosquitto runs (pid ${pid}): what has changed since it saved ${path} is not in it.\n  To move for good, stop it first (systemctl stop mosquitto): it saves the file then.\n`;
}

function pidOfMosquitto(): string | null {
	const isMosquitto = (pid: string) => {
		try {
			return readFileSync(`/proc/${pid}/comm`, "utf8") === "mosquitto\n";
		} catch {
			return false; // it has ended
		}
	};
	return (
		readdirSync("/proc").find((pid) => /^\d+$/.test(pid) && isMosquitto(pid)) ??
		null
	);
}

/** @returns what was done, in words */
async function carryOut(
	call: CliCall,
	{ converted, output, state, folder }: Preparation,
): Promise<string> {
	const isForced = call.options.force === true;
	if (state !== null && folder !== null)
		await refuseOccupied(call, folder, isForced);
	const { options } = call.config();
	const place = () => placeConfig(output, converted.text, options);
	if (state === null || folder === null)
		return placedWords(output, await place());
	let placed: PlacedConfig | null = null;
	const { file, plan, window } = state;
	const done = await importState(folder, file, plan, window.size, async () => {
		placed = await place();
		return placed;
	});
	let told = placedWords(output, placed);
	told += `The state in ${folder.folder} is mosquitto's now; start the broker\n`;
	told += describeWritten(done.written);
	if (done.place !== null)
		told += `  what was there is in ${done.place}; to bring it back: broker state restore ${done.place}\n`;
	return told;
}

function placedWords(output: string, placed: PlacedConfig | null): string {
	const old = placed?.old ?? null;
	const kept = old === null ? "" : `  what was there is in ${old}\n`;
	return `\n${output} is written, and valid\n${kept}`;
}

/** @throws CommandFailure when a broker runs on the folder, or there is something in it */
async function refuseOccupied(
	call: CliCall,
	folder: StateFolder,
	isForced: boolean,
): Promise<void> {
	const broker = await findRunning(call);
	if (broker !== null && resolve(broker.dataDir) === resolve(folder.folder))
		throw new CommandFailure(
			`a broker runs (pid ${broker.pid}) with its state in ${broker.dataDir}: stop it first (systemctl stop broker), or name another folder with --data`,
		);
	if (isForced || !folder.hasState) return;
	const found = await folder.work((worker) => worker.describe());
	const { sessions, retainedMessages, queuedMessages } = found;
	if (sessions + retainedMessages + queuedMessages === 0) return;
	throw new CommandFailure(
		`there is state in ${folder.folder} already: ${plural(sessions, "session")}, ${plural(retainedMessages, "retained message")}. Add --force to set it aside (it is kept), or name another folder with --data`,
	);
}
