/** A line each second, while a scenario runs. */
import type { Crowd } from "./crowd.ts";
import type { Scenario } from "./scenario.ts";
import type { Moment } from "./timeline.ts";
import type { Traffic } from "./traffic.ts";
import { micros, perSecond } from "./words.ts";

const PROGRESS_MS = 1000;

/** @returns what stops it */
export function tellProgress(
	scenario: Scenario,
	crowd: Crowd,
	traffic: Traffic,
	progress: (line: string, moment: Moment) => void,
): () => void {
	const began = performance.now();
	let last = { atMs: began, sent: 0, received: 0 };
	const timer = setInterval(() => {
		const { sent } = traffic;
		const received = traffic.arrivals.count;
		const atMs = performance.now();
		const rate = (count: number) => (count * 1000) / (atMs - last.atMs);
		const moment: Moment = {
			seconds: (atMs - began) / 1000,
			connected: crowd.open,
			sentRate: rate(sent - last.sent),
			receivedRate: rate(received - last.received),
		};
		const words = [
			`${Math.round(moment.seconds)} s`,
			`${moment.connected} connected`,
		];
		if (scenario.publishers > 0) words.push(`in ${perSecond(moment.sentRate)}`);
		if (scenario.subscribers > 0)
			words.push(`out ${perSecond(moment.receivedRate)}`);
		const { latency } = traffic.arrivals;
		if (latency.count > 0)
			words.push(`p99 ${micros(latency.percentile(0.99))}`);
		if (traffic.disconnects > 0) words.push(`${traffic.disconnects} lost`);
		if (scenario.shape === "connect")
			words.push(`p99 ${micros(crowd.connectMicros.percentile(0.99))}`);
		progress(`${scenario.name}: ${words.join(", ")}`, moment);
		last = { atMs, sent, received };
	}, PROGRESS_MS);
	return () => clearInterval(timer);
}
