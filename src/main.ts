/** The process: arguments, exit codes, signals. The only file that ends the process. */
import { fstatSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { heapLimitMegabytes, memoryLimit } from "./broker/memory-plan.ts";
import { AdminClient, socketPlaces } from "./cli/admin-client.ts";
import {
	type Arguments,
	type Command,
	parseArguments,
	UsageError,
} from "./cli/arguments.ts";
import type { CliCall } from "./cli/cli-call.ts";
import { coreCommands } from "./cli/commands.ts";
import { helpAbout } from "./cli/help.ts";
import { licenceTexts } from "./cli/licences.ts";
import type { ProgramName } from "./cli/program.ts";
import { programName } from "./cli/program-name.ts";
import {
	ConfigError,
	formatNotice,
	type LoadedConfig,
	type LoadOptions,
	loadConfig,
} from "./config/config.ts";
import { extensionCommands, extensionFragments } from "./extensions/index.ts";
import { systemClock } from "./platform/clock.ts";
import { CommandFailure } from "./platform/command.ts";
import { limitHeap } from "./platform/heap-limit.ts";
import { isUnderSystemd, Logger, stderrSink } from "./platform/logger.ts";
import { machineMemory } from "./platform/machine-memory.ts";
import { takeSupervisor } from "./platform/supervisor.ts";
import { versionText } from "./platform/version.ts";
import { logOptions, Service } from "./service.ts";
import { beginStoreWorker } from "./store/start-worker.ts";

/** What the process says with its exit code; see sysexits(3). */
const ExitCode = {
	Ok: 0,
	Failure: 1,
	Usage: 2,
	/** A bug: an exception nobody caught. */
	Internal: 70,
	/** The store's thread died: nothing could be acknowledged any more. */
	StoreDied: 74,
	Config: 78,
} as const;

/** How long a command that is done waits for what it has begun. */
const END_MS = 100;

const commands = [...coreCommands, ...extensionCommands];

async function main(
	program: ProgramName,
	argv: readonly string[],
): Promise<number | null> {
	let given: Arguments<CliCall>;
	try {
		given = parseArguments(argv, commands, program);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		process.stderr.write(
			`${program}: ${error.message}\n${program} --help says what there is\n`,
		);
		return ExitCode.Usage;
	}
	const options: LoadOptions = {
		...(given.file === undefined ? {} : { file: given.file }),
		sets: given.sets,
		env: process.env,
		underSystemd: isUnderSystemd(process.env, fstatSync),
		fragments: extensionFragments,
	};
	const { command } = given;
	switch (command.name) {
		case "help":
			process.stdout.write(helpAbout(program, commands, command.about));
			return ExitCode.Ok;
		case "version":
			process.stdout.write(versionText());
			return ExitCode.Ok;
		case "licences":
			process.stdout.write(licenceTexts());
			return ExitCode.Ok;
		case "run":
			return run(options, given.resetState);
		case "call":
			return call(program, command, options, given.socket);
	}
}

/** Runs a command that ends by itself. @returns its exit code */
async function call(
	program: ProgramName,
	{ spec, words, options, json }: Command<CliCall> & { name: "call" },
	loadOptions: LoadOptions,
	socket: string | undefined,
): Promise<number> {
	const broker = new AdminClient(() => socketPlaces(loadOptions, socket));
	const out = process.stdout;
	try {
		return await spec.run({
			words,
			options,
			json,
			out,
			broker,
			loadOptions,
			config: () => loadConfig(loadOptions),
			askPerson,
		});
	} catch (error) {
		if (error instanceof ConfigError) {
			process.stderr.write(`${error.message}\n`);
			return ExitCode.Config;
		}
		if (!(error instanceof CommandFailure)) throw error;
		process.stderr.write(`${program} ${spec.name}: ${error.message}\n`);
		return error.exitCode;
	}
}

/** @returns null when nobody sits at a terminal */
async function askPerson(question: string): Promise<string | null> {
	const { stdin: input, stdout: output } = process;
	if (!input.isTTY || !output.isTTY) return null;
	const terminal = createInterface({ input, output });
	try {
		return await terminal.question(question);
	} finally {
		terminal.close();
	}
}

/** @returns null while the broker runs: signals end it */
async function run(
	options: LoadOptions,
	resetState: boolean,
): Promise<number | null> {
	let config: LoadedConfig;
	try {
		config = loadConfig(options);
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		process.stderr.write(
			`${error.message}\nbroker: not started, the configuration is not valid; nothing was changed\n`,
		);
		return ExitCode.Config;
	}
	const limit = memoryLimit(config.settings.memory_limit, machineMemory());
	const unlimited = limitHeap(heapLimitMegabytes(limit));
	beginStoreWorker();
	const log = new Logger(
		stderrSink,
		systemClock,
		logOptions(config.settings, options.underSystemd),
	);
	if (unlimited !== "")
		log.system.warning(
			`V8's heap has its own limits, not those of memory_limit: ${unlimited}`,
		);
	for (const notice of config.notices) {
		log.config.warning(formatNotice(notice));
	}
	const service = new Service(
		config,
		log,
		(error) => {
			log.store.error(
				"the store has died; ending, so that it can be started anew",
				{
					error,
				},
			);
			service.noteEnd(error.message);
			process.exit(ExitCode.StoreDied);
		},
		resetState,
		takeSupervisor(process.env, (words) => log.system.warning(words)),
	);
	process.on("uncaughtException", (error) => {
		log.system.error("unexpected failure, please report it", { error });
		service.noteEnd(`unexpected failure: ${error.message}`);
		process.exit(ExitCode.Internal);
	});
	handleReload(service, log);
	const started = service.start();
	handleSignals(service, log, started);
	try {
		await started;
	} catch (error) {
		log.system.error(error instanceof Error ? error.message : String(error));
		await service.stop().catch(() => {});
		return ExitCode.Failure;
	}
	return null;
}

/** A stop while it starts waits for the end of that: cut off, it would count as a crash. */
function handleSignals(
	service: Service,
	log: Logger,
	started: Promise<void>,
): void {
	let isStopping = false;
	const stop = (signal: string) => {
		if (isStopping) return;
		isStopping = true;
		log.system.info("stopping", { signal });
		setTimeout(() => {
			log.system.error("stopping takes too long, ending now");
			process.exit(ExitCode.Failure);
		}, service.stopTimeoutMs).unref();
		started.then(
			() => end(service, log),
			() => {}, // a start that failed ends the process by itself
		);
	};
	process.on("SIGTERM", stop);
	process.on("SIGINT", stop);
	const report = process.env.TEST_REPORT_FILE;
	if (report !== undefined) {
		process.on("SIGUSR2", () => service.writeReport(report));
	}
}

async function end(service: Service, log: Logger): Promise<void> {
	try {
		await service.stop();
		log.system.info("stopped");
		process.exit(ExitCode.Ok);
	} catch (error) {
		log.system.error("could not stop cleanly", {
			error: error instanceof Error ? error : String(error),
		});
		process.exit(ExitCode.Failure);
	}
}

/** From the beginning: unhandled, the signal would end a broker that is still starting. */
function handleReload(service: Service, log: Logger): void {
	process.on("SIGHUP", () => {
		service.reload().catch((error) => {
			log.config.error("reload failed", { error });
		});
	});
}

main(programName(process), process.argv.slice(2)).then(
	(code) => {
		if (code === null) return;
		process.exitCode = code;
		// Whatever is still waited for, a broker that does not answer, keeps no command.
		setTimeout(() => process.exit(code), END_MS).unref();
	},
	(error) => {
		process.stderr.write(`broker: ${error?.stack ?? error}\n`);
		process.exit(ExitCode.Internal);
	},
);
