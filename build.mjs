#!/usr/bin/env node
// The one entry to everything a developer runs: start, tests, bundle, checks. Works with any
// Node >= 20 and without node_modules; what it starts runs on the runtime that is shipped.
// Only built-in modules here; each command loads its own file in packaging/dev/.

const commands = {
	start: {
		words: "[ARGS]  run the broker from src/, with its arguments",
		run: async (args) => (await runtime()).startBroker([], args),
	},
	dev: {
		words: "[ARGS]  the same, started again whenever a source file changes",
		run: async (args) =>
			(await runtime()).startBroker(
				["--watch", "--watch-preserve-output"],
				args,
			),
	},
	setup: {
		words: "install the dependencies when they are missing or out of date",
		run: async () => (await runtime()).prepare(),
	},
	"setup:test": {
		words: "install the Debian packages that test:all needs",
		run: async () =>
			(await import("./packaging/dev/debian.mjs")).installTestPrograms(),
	},
	bundle: {
		words: "write build/broker.cjs",
		run: async () => {
			await (await runtime()).prepare();
			return (await import("./packaging/dev/bundle.mjs")).bundle();
		},
	},
	build: {
		words:
			"[x64] [arm64]  write dist/broker-linux-*: the whole broker in one file",
		run: async (args) => {
			return (await runtime()).runProgram([
				"packaging/dev/binary.mjs",
				...args,
			]);
		},
	},
	package: {
		words: "[x64] [arm64]  write .deb and .rpm to dist/, with the binaries",
		run: async (args) => {
			return (await runtime()).runProgram([
				"packaging/dev/package.mjs",
				...args,
			]);
		},
	},
	release: {
		words: "check, and write all that is published to dist/, from a clean tree",
		run: async () => {
			return (await runtime()).runProgram(["packaging/dev/release.mjs"]);
		},
	},
	test: {
		words:
			"[SUITE|FILE ...] [-- TAP OPTIONS]  the quick tests, or the suites (folders of test/) and files named",
		run: async (args) => (await tests()).runTests(args),
	},
	"test:all": {
		words: "[--rest]  all tests; --rest leaves out those that `test` runs",
		run: async (args) => (await tests()).runAllTests(args),
	},
	check: {
		words: "lint, types, unused code, architecture tests",
		run: async () => (await import("./packaging/dev/check.mjs")).check(),
	},
	coverage: {
		words:
			"the quick tests with coverage; fails below 95 % in protocol, session and topics",
		run: async () => (await import("./packaging/dev/coverage.mjs")).coverage(),
	},
	node: {
		words:
			"FILE [ARGS]  a program of the project on the pinned runtime; FOLDER NAME for one of several",
		run: async (args) => (await runtime()).runProgram(args),
	},
};

const [name = "help", ...args] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) {
	const known = Object.entries(commands).map(
		([key, { words }]) => `  ${key.padEnd(11)} ${words}`,
	);
	console.log(`node build.mjs COMMAND\n${known.join("\n")}`);
	process.exitCode = name === "help" ? 0 : 2;
} else {
	try {
		process.exitCode = (await command.run(args)) ?? 0;
	} catch (error) {
		console.error(error.expected === true ? error.message : error);
		process.exitCode = 1;
	}
}

function runtime() {
	return import("./packaging/dev/runtime.mjs");
}

function tests() {
	return import("./packaging/dev/tests.mjs");
}
