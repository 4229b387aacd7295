/** The command line of `broker`: what is to be done, with which configuration. */
import { parseArgs } from "node:util";

export type Command =
	| { readonly name: "run" | "check" | "help" | "version" | "schema" }
	| {
			readonly name: "show";
			readonly keys: readonly string[];
			readonly all: boolean;
			readonly json: boolean;
	  };

export interface Arguments {
	readonly command: Command;
	/** `-c FILE`; undefined: the default file when it exists. */
	readonly file: string | undefined;
	/** `--set key=value`, in order. */
	readonly sets: readonly string[];
	/** `--reset-state`: the state is moved aside, and the broker starts with none. */
	readonly resetState: boolean;
}

export const usage = `Usage: broker [-c FILE] [--set KEY=VALUE]...       run the broker
       broker --check-config [-c FILE]              check the configuration, change nothing
       broker config show [KEY...] [--all] [--json] each value and where it comes from
       broker config schema                         all keys as JSON
       broker --version | --help

  -c, --config FILE    read FILE instead of /etc/broker/broker.conf
      --set KEY=VALUE  overrules the file; may be given several times
      --reset-state    move sessions, queued and retained messages aside and start with none
      --check-config   print every mistake with file and line; exit code 1 if there is one

Every key can also be set by the environment: BROKER_LISTENER__TCP__DEFAULT=127.0.0.1:1884
SIGHUP reads the configuration again, SIGTERM stops the broker.
`;

/** The arguments cannot be understood; the message says why. */
export class UsageError extends Error {
	override readonly name = "UsageError";
}

/** @throws UsageError */
export function parseArguments(argv: readonly string[]): Arguments {
	const { values, positionals } = parse(argv);
	const config = {
		file: values.config,
		sets: values.set ?? [],
		resetState: values["reset-state"] === true,
	};
	const command = (): Command => {
		if (values.help === true) return { name: "help" };
		if (values.version === true) return { name: "version" };
		if (values["check-config"] === true) return { name: "check" };
		const [first, second, ...keys] = positionals;
		if (first === undefined) return { name: "run" };
		if (first === "run" && second === undefined) return { name: "run" };
		if (first === "config" && second === "schema") return { name: "schema" };
		if (first === "config" && second === "show") {
			const all = values.all === true;
			return { name: "show", keys, all, json: values.json === true };
		}
		throw new UsageError(`unknown command: ${positionals.join(" ")}`);
	};
	return { command: command(), ...config };
}

function parse(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			allowPositionals: true,
			options: {
				config: { type: "string", short: "c" },
				set: { type: "string", multiple: true },
				"check-config": { type: "boolean" },
				"reset-state": { type: "boolean" },
				all: { type: "boolean" },
				json: { type: "boolean" },
				help: { type: "boolean", short: "h" },
				version: { type: "boolean", short: "V" },
			},
		});
	} catch (error) {
		throw new UsageError(
			error instanceof Error ? error.message : String(error),
		);
	}
}
