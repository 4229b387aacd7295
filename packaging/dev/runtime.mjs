// Finds or installs what the project runs on: the dependencies, and the Node that is shipped
// (an optional dependency for 64-bit Linux; elsewhere the system's own from 24 on). Runs
// programs on it so that signals reach them and nothing is left behind. Built-in modules only.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const projectFolder = fileURLToPath(
	new URL("../../", import.meta.url),
).replace(/\/$/, "");
const oldestSystemNode = 24;
const modulesFolder = join(projectFolder, "node_modules");

/** An error that its message explains; printed without a stack. */
export function expectedError(message) {
	return Object.assign(new Error(message), { expected: true });
}

/** Installs the dependencies when they are missing or not those of package-lock.json. */
export async function prepare() {
	if (isInstalled()) return;
	console.error("Installing the dependencies (npm ci), once ...");
	const [npm, npmArgs] = npmCommand();
	const args = [
		...npmArgs,
		"ci",
		"--no-audit",
		"--no-fund",
		"--prefer-offline",
		"--loglevel=error",
	];
	const result = spawnSync(npm, args, {
		cwd: projectFolder,
		env: { ...process.env, PATH: systemPath() },
		encoding: "utf8",
	});
	if (result.error)
		throw expectedError(`npm could not be started: ${result.error.message}`);
	if (result.status !== 0) {
		process.stderr.write(`${result.stdout}${result.stderr}`);
		throw expectedError("npm ci failed; its messages are above.");
	}
}

/** The path of the Node to run everything on. */
export function runtimePath() {
	const pinned = join(
		modulesFolder,
		`node-${process.platform}-${process.arch}`,
		"bin",
		"node",
	);
	if (
		existsSync(pinned) &&
		(process.execPath === pinned || majorVersion(pinned) > 0)
	)
		return pinned;
	if (Number.parseInt(process.versions.node, 10) >= oldestSystemNode)
		return process.execPath;
	const candidates = systemPath()
		.split(delimiter)
		.map((folder) => join(folder, "node"));
	const found = candidates.find(
		(path) => existsSync(path) && majorVersion(path) >= oldestSystemNode,
	);
	if (found !== undefined) return found;
	throw expectedError(
		`No Node to run on: for ${process.platform} on ${process.arch} none comes with the project, so a Node of ` +
			`version ${oldestSystemNode} or newer must be on the PATH (this one is ${process.version}).`,
	);
}

/** The environment for child processes: `node` and the tools of the project come first. */
export function runtimeEnvironment() {
	const binFolder = join(modulesFolder, ".bin");
	const others = (process.env.PATH ?? "")
		.split(delimiter)
		.filter((folder) => folder !== binFolder);
	return { ...process.env, PATH: [binFolder, ...others].join(delimiter) };
}

/**
 * Runs the broker from its sources with `args`. Where the running Node can, it turns into the
 * broker (same process id: signals and exit code need no passing on).
 */
export async function startBroker(nodeArgs, args) {
	await prepare();
	const watch = new URL("./end-with-parent.mjs", import.meta.url).href;
	const command = [
		runtimePath(),
		"--import",
		watch,
		...nodeArgs,
		join(projectFolder, "src/main.ts"),
		...args,
	];
	if (typeof process.execve === "function") {
		process.execve(command[0], command, runtimeEnvironment());
	}
	await import(watch);
	return run(command[0], command.slice(1));
}

/**
 * Runs one of the project's programs: a file below the project's folder, then its arguments.
 * For a folder the next argument is the name of a program in it; without one they are listed.
 */
export async function runProgram([path, ...args]) {
	await prepare();
	let file = join(projectFolder, path);
	if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
		const names = readdirSync(file)
			.filter((name) => name.endsWith(".ts"))
			.map((name) => name.slice(0, -3));
		const name = args.shift();
		if (!names.includes(name))
			throw expectedError(`Name one of: ${names.join(", ")}`);
		file = join(file, `${name}.ts`);
	}
	return run(runtimePath(), [file, ...args]);
}

/**
 * Runs a command with inherited streams, in the project's folder unless `options.cwd` says
 * otherwise. SIGINT, SIGTERM and SIGHUP are passed on; resolves to the exit code (128 + number for a signal).
 */
export function run(command, args, options = {}) {
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, {
			stdio: "inherit",
			env: runtimeEnvironment(),
			...options,
		});
		const stopForwarding = forwardSignals(child);
		child.once("error", (error) => {
			stopForwarding();
			reject(error);
		});
		child.once("close", (code, signal) => {
			stopForwarding();
			resolve(code ?? 128 + (constants.signals[signal] ?? 0));
		});
	});
}

/** Passes the signals that end a program on to `child`; returns what undoes it. */
export function forwardSignals(child) {
	const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
	const forward = (signal) => child.kill(signal);
	for (const signal of signals) process.on(signal, forward);
	return () => {
		for (const signal of signals) process.off(signal, forward);
	};
}

/**
 * True when node_modules holds the versions of package-lock.json. npm's own record of what it
 * installed is compared, not only file times: a copied or restored tree must not be installed again.
 */
function isInstalled() {
	const record = join(modulesFolder, ".package-lock.json");
	const lock = join(projectFolder, "package-lock.json");
	if (!existsSync(record)) return false;
	if (statSync(record).mtimeMs >= statSync(lock).mtimeMs) return true;
	const installed = JSON.parse(readFileSync(record, "utf8")).packages;
	const wanted = Object.entries(
		JSON.parse(readFileSync(lock, "utf8")).packages,
	);
	return wanted.every(
		([path, { version, optional }]) =>
			path === "" ||
			installed[path]?.version === version ||
			(optional === true && installed[path] === undefined),
	);
}

/** The npm that runs this script, with the Node that runs that npm; else the one on the PATH. */
export function npmCommand() {
	const { npm_execpath: npm, npm_node_execpath: node } = process.env;
	return npm?.endsWith(".js") && node ? [node, [npm]] : ["npm", []];
}

/** PATH without folders of installed packages, so that `node` there is the system's. */
function systemPath() {
	return (process.env.PATH ?? "")
		.split(delimiter)
		.filter((folder) => folder !== "" && !folder.includes("node_modules"))
		.join(delimiter);
}

/** The major version of a Node binary; 0 when it does not run here (another libc, for example). */
function majorVersion(path) {
	const { stdout, status } = spawnSync(path, ["--version"], {
		encoding: "utf8",
	});
	return status === 0 ? Number.parseInt(stdout.slice(1), 10) : 0;
}
