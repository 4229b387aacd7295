/** What makes the figures of a run less trustworthy, in words. Pure. */
import type { Crowd } from "./crowd.ts";
import type { Histogram } from "./histogram.ts";
import type { BrokerFigures, GeneratorFigures } from "./result.ts";
import type { Scenario } from "./scenario.ts";
import { micros, percent } from "./words.ts";

/** From this share of a core on, the generator may be what limits. */
const BUSY_SHARE = 0.9;
/** A generator that is later than this, for 1 % of what it sends, is seen in the latencies. */
const LATE_MICROS = 1000;

export function warningsOf(
	scenario: Scenario,
	crowd: Crowd,
	{ cpuShare }: GeneratorFigures,
	broker: BrokerFigures | null,
	sendLate: Histogram | null,
): string[] {
	const warnings: string[] = [];
	const isFlat = broker !== null && broker.cpuShare >= BUSY_SHARE;
	if (sendLate === null && cpuShare > BUSY_SHARE && !isFlat)
		warnings.push(
			`the generator used ${percent(cpuShare)} of its core${broker === null ? "" : ` and the broker ${percent(broker.cpuShare)}`}: it may have been the limit, so start several, or give it a core of its own`,
		);
	if (isFlood(scenario) && !isFlat && broker !== null && cpuShare <= BUSY_SHARE)
		warnings.push(
			`the broker used ${percent(broker.cpuShare)} of a core and the generator ${percent(cpuShare)}: neither is at its limit, so the cores are shared with others, or lag and window keep both waiting`,
		);
	const late = sendLate?.percentile(0.99) ?? 0;
	if (late > LATE_MICROS)
		warnings.push(
			`the generator was late by ${micros(late)} or more for 1 % of what it sent, which is in the latencies: its core is busy, or the rate too high for it`,
		);
	if (crowd.refused > 0)
		warnings.push(
			`${crowd.refused} connections were refused: ${crowd.refusal}`,
		);
	if (scenario.limits.length > 0 && broker === null)
		for (const { figure } of scenario.limits)
			if (figure.startsWith("broker_"))
				warnings.push(
					`${figure} is not known: the broker's process is not to be seen from here; call it as root, or give --pid`,
				);
	return warnings;
}

/** As fast as it goes, for so long that a share of a core says something. */
function isFlood({ shape, count, rate, interval }: Scenario): boolean {
	const isExchange =
		shape === "fanin" || shape === "fanout" || shape === "pair";
	return isExchange && count === 0 && rate === 0 && interval === 0;
}
