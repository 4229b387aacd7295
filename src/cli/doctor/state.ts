import { join } from "node:path";
import { inBytes, inTime } from "../../platform/words.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "../../store/schema.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";
import { type Check, restart, type Situation, unitName } from "./situation.ts";

/** Of SQLite's file format: https://sqlite.org/fileformat.html, 1.3 */
const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const VERSION_AT = 60;
const APPLICATION_AT = 68;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const RECENT_MS = 30 * 24 * 3600 * 1000;
/** `broker.db.2026-11-21T10-00-00-000Z`. */
const QUARANTINED =
	/\.(\d{4,6}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d+)Z(?:-\d+)?$/;

/** How the state is: by the running broker, or by what its files tell without being opened. */
export const state: Check = {
	subject: "state",
	async look(situation) {
		const { config, running } = situation;
		if (!config.settings.persistence)
			return [
				note("state-in-memory", "persistence is off", {
					why: "sessions, queued and retained messages do not survive a restart",
				}),
			];
		const findings = [
			...(running === null ? await ofFiles(situation) : ofBroker(situation)),
			...(await quarantined(situation)),
		];
		return findings;
	},
};

function ofBroker(situation: Situation): Finding[] {
	const { running } = situation;
	if (running === null) return [];
	const { alarms = [], degraded, durability, file, wear } = running;
	const findings: Finding[] = [];
	for (const alarm of alarms) {
		if (alarm === degraded?.trouble) continue;
		findings.push(
			problem(
				durability?.mode === "memory" ? "safe-mode" : "alarm",
				`the broker says: ${alarm}`,
				{ fix: restart(situation) },
			),
		);
	}
	if (degraded !== undefined && degraded.trouble !== "") {
		const since =
			degraded.seconds === 0 ? "" : ` for ${inTime(degraded.seconds * 1000)}`;
		findings.push(
			problem(
				"store-degraded",
				`the broker cannot store anything${since}: ${degraded.trouble}`,
				{
					why: degraded.isRefusing
						? "what has to be stored is refused"
						: "what has to be stored waits",
					fix: "df -h; sudo dmesg | tail -30",
				},
			),
		);
	}
	if (findings.length > 0) return findings;
	const size =
		file == null
			? "in memory only"
			: `${inBytes(file.bytes)} and a log of ${inBytes(file.logBytes)}, format ${file.format}`;
	const written = wear === undefined ? "" : `; ${wear.words}`;
	return [ok("state", `${situation.dataDir}: ${size}${written}`)];
}

/** Nothing is opened as a database: that would change its log. */
async function ofFiles(situation: Situation): Promise<Finding[]> {
	const { machine, dataDir } = situation;
	const path = join(dataDir, "broker.db");
	const { value: header, why } = await machine.head(path, HEADER_BYTES);
	const findings = await failedStarts(situation);
	const isNoted = (await machine.file(`${path}.damaged`)).value !== null;
	if (isNoted)
		findings.push(
			warning("state-damaged", `${path} is noted as damaged`, {
				why: "the next start saves what can be read, and puts the damaged file into quarantine",
				fix: `sudo systemctl start ${unitName(situation)}`,
			}),
		);
	if (header === null) {
		if (why === "missing")
			findings.push(ok("state-none", `there is no state in ${dataDir} yet`));
		return findings; // what may not be seen is said where owners are
	}
	// Until the first checkpoint everything is in the log, also what makes the file ours.
	const isEmpty = header.length === 0;
	if (!isEmpty) findings.push(...ofHeader(header, path, situation));
	if (findings.length > 0) return findings;
	const bytes = (await machine.file(path)).value?.bytes ?? 0;
	const log = (await machine.file(`${path}-wal`)).value?.bytes ?? 0;
	const version = isEmpty ? 0 : header.readUInt32BE(VERSION_AT);
	const format = version === 0 ? "" : `, format ${version}`;
	return [
		ok(
			"state",
			`${path}: ${inBytes(bytes)} and a log of ${inBytes(log)}${format}; broker state check looks through all of it`,
		),
	];
}

function ofHeader(
	header: Buffer,
	path: string,
	situation: Situation,
): Finding[] {
	const isWhole =
		header.length === HEADER_BYTES &&
		header.subarray(0, MAGIC.length).toString("latin1") === MAGIC;
	const isOurs =
		isWhole &&
		[0, APPLICATION_ID].includes(header.readUInt32BE(APPLICATION_AT));
	if (!isOurs)
		return [
			problem(
				isWhole ? "state-foreign" : "state-damaged",
				`${path} ${isWhole ? "is a database of another program" : "does not begin as a database does"}`,
				{
					why: "a start puts it into quarantine and saves what can be read",
					fix: "sudo broker state restore FILE   # a backup, when there is one",
				},
			),
		];
	const format = header.readUInt32BE(VERSION_AT);
	if (format <= SCHEMA_VERSION) return [];
	return [
		problem(
			"state-newer",
			`${path} has format ${format}, this broker knows ${SCHEMA_VERSION} at most`,
			{
				why: "it was written by a newer broker; this one refuses to start on it",
				fix: `sudo broker state backup FILE with the newer version, or begin anew: sudo broker state reset && sudo systemctl start ${unitName(situation)}`,
			},
		),
	];
}

/** As failed-starts.ts writes them. */
interface Start {
	readonly boot?: string;
	readonly at?: string;
	readonly isReady?: boolean;
	readonly end?: string;
}

async function failedStarts({
	machine,
	dataDir,
	config,
	unit,
}: Situation): Promise<Finding[]> {
	const { value } = await machine.text(join(dataDir, "starts.json"));
	let starts: readonly Start[] = [];
	try {
		const parsed = JSON.parse(value ?? "[]");
		if (Array.isArray(parsed)) starts = parsed;
	} catch {
		return []; // half written by a power cut
	}
	const boot = (await machine.text(BOOT_ID)).value?.trim() ?? "";
	// What an earlier boot has left without a reason was a power cut.
	const failed = starts
		.slice(starts.findLastIndex(({ isReady }) => isReady) + 1)
		.filter((start) => start.boot === boot || start.end);
	const last = failed.at(-1);
	if (last === undefined) return [];
	const most = config.settings["store.max_failed_starts"];
	const reason = last.end ? `: ${last.end}` : "";
	return [
		warning(
			"failed-starts",
			`the last start (${last.at}) did not end in order${reason}`,
			{
				why: `after ${most} crashes in a row within their first minute, the broker begins in safe mode and leaves the state alone (store.max_failed_starts)`,
				fix:
					unit === null
						? "start the broker by hand, and read what it says"
						: `journalctl -u ${unitName({ unit })} -n 50 --no-pager`,
			},
		),
	];
}

async function quarantined({
	machine,
	dataDir,
}: Situation): Promise<Finding[]> {
	const folder = join(dataDir, "quarantine");
	const { value: names } = await machine.names(folder);
	const newest = (names ?? [])
		.filter((name) => QUARANTINED.test(name))
		.sort()
		.at(-1);
	if (newest === undefined) return [];
	const [, day, hours, minutes, seconds, ms] = QUARANTINED.exec(newest) ?? [];
	const atMs = Date.parse(`${day}T${hours}:${minutes}:${seconds}.${ms}Z`);
	const isRecent = machine.wallMs() - atMs < RECENT_MS;
	return [
		(isRecent ? warning : note)(
			"state-quarantined",
			`a damaged database was put aside on ${day}: ${join(folder, newest)}`,
			{
				why: "what could be read was saved, and the log of that start says how much; a medium that damages files does it again",
				fix: "sudo dmesg --level=err,warn | tail -30",
			},
		),
	];
}
