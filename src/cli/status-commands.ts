/** `broker status`, `ping` and `reload`: the running broker as a whole. */
import type { ReloadReport, StatusLines } from "../broker/broker-api.ts";
import {
	CommandFailure,
	type CommandSpec,
	jsonOption,
} from "../platform/command.ts";
import { inTime } from "../platform/words.ts";

interface Status {
	readonly version: string;
	readonly pid: number;
	readonly uptimeSeconds: number;
	/** Made by the broker, so that what it adds is shown by an older program too. */
	readonly lines: readonly StatusLines[];
}

export const statusCommands: readonly CommandSpec[] = [
	{
		name: "status",
		summary: "how the running broker is doing",
		about: [
			"Clients, queues, memory and what is done about it, where the state is and what a power cut may take of it, wear of the disk, listeners, and alarms first.",
		],
		options: { json: jsonOption },
		examples: ["status", "status --json"],
		async run({ broker, out, json }) {
			const status = (await broker.ask("GET", "/status")) as Status;
			out.write(
				json ? `${JSON.stringify(status, null, "\t")}\n` : asText(status),
			);
			return 0;
		},
	},
	{
		name: "ping",
		summary: "exit code 0 when the broker runs and answers",
		options: { json: jsonOption },
		examples: ["ping", "ping --socket /run/broker-second/admin.sock"],
		async run({ broker, out, json }) {
			const about = (await broker.ask("GET", "/ping")) as Status;
			out.write(
				json
					? `${JSON.stringify(about)}\n`
					: `broker ${about.version} answers (pid ${about.pid})\n`,
			);
			return 0;
		},
	},
	{
		name: "reload",
		summary: "read the configuration again, say what changes",
		about: [
			"As SIGHUP does, with the result. Nobody is disconnected but by a listener that goes. With a mistake anywhere nothing changes, and the exit code is 1.",
		],
		options: { json: jsonOption },
		examples: ["reload"],
		async run({ broker, out, json }) {
			const report = await reload(() => broker.ask("POST", "/reload"));
			out.write(json ? `${JSON.stringify(report)}\n` : describeReload(report));
			const { mistakes, failures } = report;
			return mistakes.length + failures.length === 0 ? 0 : 1;
		},
	},
];

function asText({ version, pid, uptimeSeconds, lines }: Status): string {
	const width = Math.max(...lines.map(([heading]) => heading.length));
	const rows = lines.flatMap(([heading, ...rest]) =>
		rest.map(
			(line, index) =>
				`  ${(index === 0 ? heading : "").padEnd(width)}  ${index === 0 ? "" : "  "}${line}\n`,
		),
	);
	return `broker ${version} (pid ${pid}), up ${inTime(uptimeSeconds * 1000)}\n${rows.join("")}`;
}

/** Mistakes in the configuration come as a refusal. */
async function reload(ask: () => Promise<unknown>): Promise<ReloadReport> {
	try {
		return (await ask()) as ReloadReport;
	} catch (error) {
		const isReport =
			error instanceof CommandFailure && "mistakes" in error.details;
		if (!isReport) throw error;
		return error.details as unknown as ReloadReport;
	}
}

function describeReload(report: ReloadReport): string {
	const { mistakes, changed, needsRestart, opened, closed } = report;
	if (mistakes.length > 0)
		return `${mistakes.join("\n")}\nnothing was changed: the configuration has mistakes\n`;
	const lines = [
		...report.notices.map((notice) => `note: ${notice}`),
		...changed.map((key) => `changed: ${key}`),
		...closed.map((name) => `no longer listening: ${name}`),
		...opened.map((name) => `listening: ${name}`),
		...report.failures.map((words) => `failed: ${words}`),
		...needsRestart.map((key) => `needs a restart: ${key}`),
	];
	const isSame =
		changed.length + needsRestart.length + opened.length + closed.length === 0;
	if (isSame && report.failures.length === 0) lines.push("nothing has changed");
	return `${lines.join("\n")}\n`;
}
