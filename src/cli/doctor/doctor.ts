/**
 * `broker doctor`: looks at the machine and the configuration, whether or not a broker
 * runs, and says what is wrong and how to mend it. Changes nothing.
 */
import type { CliCall } from "../cli-call.ts";
import { configuration } from "./configuration.ts";
import { descriptors } from "./descriptors.ts";
import { exposure } from "./exposure.ts";
import { type Finding, warning } from "./finding.ts";
import { gather, type Load } from "./gather.ts";
import { kernelLog } from "./kernel-log.ts";
import { type Machine, RealMachine } from "./machine.ts";
import { memory } from "./memory.ts";
import { mounts } from "./mounts.ts";
import { owners, user } from "./owners.ts";
import { ports } from "./ports.ts";
import { power } from "./power.ts";
import { asJson, asText, exitCodeOf, inOrder } from "./report.ts";
import { runningBroker, service } from "./service.ts";
import type { Check, Situation } from "./situation.ts";
import { space } from "./space.ts";
import { state } from "./state.ts";
import { time } from "./time.ts";

const CHECK_MS = 5000;

/** In the order in which they are shown. */
const checks: readonly Check[] = [
	runningBroker,
	service,
	user,
	configuration,
	ports,
	exposure,
	owners,
	mounts,
	space,
	state,
	kernelLog,
	memory,
	descriptors,
	time,
	power,
];

/** @returns the exit code */
export async function doctor(
	{ broker, loadOptions, json, out }: CliCall,
	load: Load,
	machine: Machine = new RealMachine(),
): Promise<number> {
	const situation = await gather(machine, broker, loadOptions, load);
	const findings = inOrder(await examine(situation));
	const isRoot = machine.uid === 0;
	out.write(json ? asJson(findings, isRoot) : asText(findings, isRoot));
	return exitCodeOf(findings);
}

/** All checks at once; one that fails or takes too long leaves the others alone. */
export async function examine(situation: Situation): Promise<Finding[]> {
	const results = await Promise.all(
		checks.map((check) => inTime(check, situation)),
	);
	return results.flat();
}

async function inTime(
	{ subject, look }: Check,
	situation: Situation,
): Promise<readonly Finding[]> {
	let timer: NodeJS.Timeout | undefined;
	const unfinished = (words: string) => [
		warning("check-unfinished", `${subject}: ${words}`),
	];
	const late = new Promise<readonly Finding[]>((resolve) => {
		timer = setTimeout(
			() => resolve(unfinished("the machine did not answer in time")),
			CHECK_MS,
		);
	});
	const done = look(situation).catch((error: Error) =>
		unfinished(`could not be looked at: ${error.message}`),
	);
	try {
		return await Promise.race([done, late]);
	} finally {
		clearTimeout(timer);
	}
}
