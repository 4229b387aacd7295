/**
 * `broker state info|check|backup|restore|reset`: through the running broker where there
 * is one, else on its files, which its lock keeps to one at a time.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
	CommandFailure,
	type CommandSpec,
	jsonOption,
} from "../platform/command.ts";
import { inBytes, plural } from "../platform/words.ts";
import type { Saved, StateDescription } from "../store/worker-messages.ts";
import type { CliCall } from "./cli-call.ts";
import { printable } from "./printable.ts";
import { restoreState } from "./restore-state.ts";
import { findRunning } from "./running-broker.ts";
import { StateFolder } from "./state-folder.ts";
import { refuseExisting, writeWhole } from "./write-file.ts";

const yesOption = { summary: "do not ask" };

export const stateCommands: readonly CommandSpec<CliCall>[] = [
	{
		name: "state info",
		summary: "what is in the database, and its size",
		about: [
			"Of the running broker, or of the files when none runs: they are opened for it.",
		],
		options: { json: jsonOption },
		examples: ["state info", "state info --set data_dir=/mnt/old/broker"],
		run: info,
	},
	{
		name: "state check",
		summary: "look through the whole database for damage",
		about: [
			"Of a running broker, a copy is looked through while everything goes on. The exit code is 0 when the state is sound, else 1.",
		],
		options: { json: jsonOption },
		examples: ["state check"],
		run: check,
	},
	{
		name: "state checkpoint",
		summary: "with state = ram+checkpoint: save it now",
		options: { json: jsonOption },
		examples: ["state checkpoint"],
		run: checkpoint,
	},
	{
		name: "state backup",
		operands: "FILE",
		summary: "copy the state into FILE, also while it runs",
		about: [
			"FILE is there complete or not at all. It holds what clients have sent, and is for its owner only.",
		],
		words: { least: 1, most: 1 },
		options: { force: { summary: "replace FILE when it is there" } },
		examples: ["state backup /media/usb/broker.db"],
		run: backup,
	},
	{
		name: "state restore",
		operands: "FILE",
		summary: "make a backup the state; what is there is kept",
		about: [
			"For a broker that does not run. FILE is checked first; what it replaces is in data_dir/set-aside afterwards.",
		],
		words: { least: 1, most: 1 },
		options: { yes: yesOption },
		examples: ["state restore /media/usb/broker.db"],
		run: restore,
	},
	{
		name: "state reset",
		summary: "begin with no state; what is there is kept",
		about: [
			"For a broker that does not run. What was there is in data_dir/set-aside afterwards, and the output says how to bring it back.",
		],
		options: { yes: yesOption },
		examples: ["state reset", "state reset --yes"],
		run: reset,
	},
];

async function info(call: CliCall): Promise<number> {
	const { out, json, broker } = call;
	const running = await findRunning(call);
	let where: string;
	let state: StateDescription;
	if (running !== null) {
		where = `${running.dataDir}, of the running broker (pid ${running.pid})`;
		state = (await broker.ask("GET", "/state")) as StateDescription;
	} else {
		const folder = new StateFolder(call.config());
		where = folder.folder;
		state = await folder.work((worker) => worker.describe());
	}
	out.write(
		json
			? `${JSON.stringify(state, null, "\t")}\n`
			: `state in ${where}\n${describe(state)}`,
	);
	return 0;
}

function describe(state: StateDescription): string {
	const unused =
		state.unusedBytes === undefined
			? ""
			: `, ${inBytes(state.unusedBytes)} of it unused`;
	const lines = [
		state.path === null
			? "database  none: the state is in memory only (persistence = off, or safe mode: see broker status)"
			: `database  broker.db ${inBytes(state.bytes)}${unused}; its log ${inBytes(state.logBytes)}; format ${state.format}`,
		`sessions  ${plural(state.sessions, "session")}, ${plural(state.subscriptions, "subscription")}`,
		`queued    ${plural(state.queuedMessages, "message")}, ${inBytes(state.queuedBytes)}`,
		...state.largest.map(
			({ clientId, queuedMessages, queuedBytes }) =>
				`            ${inBytes(queuedBytes)} in ${plural(queuedMessages, "message")} for ${printable(clientId)}`,
		),
		`retained  ${plural(state.retainedMessages, "message")}, ${inBytes(state.retainedBytes)}`,
	];
	return lines.map((line) => `  ${line}\n`).join("");
}

async function check(call: CliCall): Promise<number> {
	const { out, json, broker } = call;
	const running = await findRunning(call);
	const folder = running === null ? new StateFolder(call.config()) : null;
	const { problems } = (
		folder === null
			? await broker.ask("POST", "/state/check")
			: await folder.work((worker) => worker.check())
	) as { problems: string[] };
	const where = running?.dataDir ?? folder?.folder ?? "";
	if (json) out.write(`${JSON.stringify({ problems })}\n`);
	else if (problems.length === 0) out.write(`the state in ${where} is sound\n`);
	else
		out.write(
			`the state in ${where} is damaged:\n${problems.map((each) => `  ${each}\n`).join("")}` +
				"restore a backup (broker state restore FILE), or let the next start of the broker save what can be read\n",
		);
	return problems.length === 0 ? 0 : 1;
}

async function checkpoint({ out, json, broker }: CliCall): Promise<number> {
	const saved = (await broker.ask("POST", "/state/checkpoint")) as Saved;
	if (json) out.write(`${JSON.stringify(saved)}\n`);
	else
		out.write(
			saved.isNew
				? `the state is on the disk (${inBytes(saved.bytes)})\n`
				: "the state is on the disk: nothing has changed since it was saved last\n",
		);
	return 0;
}

async function backup(call: CliCall): Promise<number> {
	const { out, words, options, broker } = call;
	const file = resolve(words[0] ?? "");
	refuseExisting(file, options.force === true);
	const running = await findRunning(call);
	let bytes: number;
	if (running !== null) {
		const copy = (await broker.ask("POST", "/state/backup")) as {
			id: string;
			bytes: number;
		};
		bytes = copy.bytes;
		const source = await broker.open("GET", `/state/backup/${copy.id}`);
		await writeWhole(file, source, bytes);
	} else {
		bytes = await copyStopped(new StateFolder(call.config()), file);
	}
	out.write(`${file}: ${inBytes(bytes)}, a complete copy of the state\n`);
	return 0;
}

/** The file as it is, once its log is in it. The copy is written as whoever asked. */
async function copyStopped(folder: StateFolder, file: string): Promise<number> {
	return folder.work(async (worker, asCaller) => {
		await worker.hold();
		const { size } = await stat(folder.path);
		await asCaller(() => writeWhole(file, createReadStream(folder.path), size));
		await worker.release();
		return size;
	});
}

async function restore(call: CliCall): Promise<number> {
	const { out, words } = call;
	const file = resolve(words[0] ?? "");
	await refuseRunning(call);
	const folder = new StateFolder(call.config());
	await confirm(call, `Make ${file} the state in ${folder.folder}?`);
	const place = await restoreState(folder, file);
	out.write(`${file} is the state in ${folder.folder} now; start the broker\n`);
	if (place !== null) out.write(kept(place));
	return 0;
}

async function reset(call: CliCall): Promise<number> {
	const { out } = call;
	await refuseRunning(call);
	const folder = new StateFolder(call.config());
	await confirm(
		call,
		`Take all sessions, queued and retained messages away from ${folder.folder}?`,
	);
	const place = await folder.work((worker) => worker.reset());
	if (place === null) out.write(`there was no state in ${folder.folder}\n`);
	else out.write(`the next start begins with no state\n${kept(place)}`);
	return 0;
}

function kept(place: string): string {
	return `what was there is in ${place}; to bring it back: broker state restore ${place}\n`;
}

async function refuseRunning(call: CliCall): Promise<void> {
	const running = await findRunning(call);
	if (running === null) return;
	throw new CommandFailure(
		`a broker runs (pid ${running.pid}) with its state in ${running.dataDir}: stop it first, or name another one with --set data_dir=FOLDER`,
	);
}

async function confirm(call: CliCall, question: string): Promise<void> {
	if (call.options.yes === true) return;
	const answer = await call.askPerson(`${question} [y/N] `);
	if (answer === null)
		throw new CommandFailure(
			"nothing was changed: there is nobody to ask; add --yes",
		);
	if (!/^y(es)?$/i.test(answer.trim()))
		throw new CommandFailure("nothing was changed");
}
