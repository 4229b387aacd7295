import {
	ConfigError,
	type ConfigProblem,
	type LoadedConfig,
	type LoadOptions,
	loadConfig,
} from "../../../src/config/config.ts";

/** Options that see nothing of the machine the test runs on. */
export function optionsOf(overrides: Partial<LoadOptions> = {}): LoadOptions {
	return {
		defaultFile: "/nonexistent/broker.conf",
		sets: [],
		env: {},
		underSystemd: false,
		fragments: [],
		...overrides,
	};
}

export function load(...sets: string[]): LoadedConfig {
	return loadConfig(optionsOf({ sets }));
}

/** The mistakes of a configuration that must have some. */
export function problemsOf(overrides: Partial<LoadOptions>): ConfigProblem[] {
	try {
		loadConfig(optionsOf(overrides));
	} catch (error) {
		if (error instanceof ConfigError) return [...error.problems];
		throw error;
	}
	throw new Error("the configuration has no mistakes");
}
