import { type Finding, note, ok, problem, warning } from "./finding.ts";
import type { Machine } from "./machine.ts";
import type { Check } from "./situation.ts";

/** No build of this broker is older. */
const OLDEST_MS = Date.UTC(2026, 0, 1);
const LATEST_MS = Date.UTC(2100, 0, 1);

const RIGHT = ok("clock", "the clock is kept right by the network");

/** Whether the clock can be right, and who keeps it so. */
export const time: Check = {
	subject: "clock",
	async look({ machine }) {
		return [
			...absurd(machine.wallMs()),
			...(await synced(machine)),
			...(await realTimeClock(machine)),
		];
	},
};

function absurd(nowMs: number): Finding[] {
	if (nowMs >= OLDEST_MS && nowMs < LATEST_MS) return [];
	const now = new Date(nowMs).toISOString();
	return [
		problem("clock-absurd", `the clock says ${now}`, {
			why: "expiry goes on by a clock of its own, but times in the log are wrong, and so would be checks of certificates",
			fix: `sudo date -u -s 'YYYY-MM-DD HH:MM:SS'   # and: sudo timedatectl set-ntp true`,
		}),
	];
}

async function synced(machine: Machine): Promise<Finding[]> {
	const shown = await machine.run("timedatectl", "show");
	const facts = new Map(
		(shown.value ?? "").split("\n").map((line) => {
			const at = line.indexOf("=");
			return [line.slice(0, at), line.slice(at + 1)] as const;
		}),
	);
	const isSynced = facts.get("NTPSynchronized");
	if (isSynced === "yes") return [RIGHT];
	if (isSynced === undefined) return withoutSystemd(machine);
	const isOn = facts.get("NTP") === "yes";
	return [
		warning(
			"clock-unsynchronised",
			isOn
				? "the clock is not synchronised with the network (yet)"
				: "nothing synchronises the clock with the network",
			{
				why: "times in the log and of queued messages may be wrong; nothing expires early or late for it",
				fix: isOn
					? "timedatectl timesync-status   # which server is asked; is there a network?"
					: "sudo timedatectl set-ntp true   # sudo apt install systemd-timesyncd where there is none",
			},
		),
	];
}

async function withoutSystemd(machine: Machine): Promise<Finding[]> {
	const chrony = await machine.run("chronyc", "-n", "tracking");
	if (/^Leap status\s*:\s*Normal/m.test(chrony.value ?? "")) return [RIGHT];
	const stamp = await machine.file("/run/systemd/timesync/synchronized");
	if (stamp.value !== null) return [RIGHT];
	return [
		note(
			"clock-sync-unknown",
			"whether the clock is synchronised with the network is not known here",
			{ fix: "timedatectl; chronyc tracking; ntpq -p" },
		),
	];
}

async function realTimeClock(machine: Machine): Promise<Finding[]> {
	const { value } = await machine.names("/sys/class/rtc");
	if (value !== null && value.length > 0) return [];
	return [
		note(
			"clock-without-battery",
			"this machine has no clock that goes on while it is off",
			{
				why: "after a power cut it starts with the time of its last run, until the network tells; the broker allows for that",
			},
		),
	];
}
