/** What a run of a scenario gives, as `--json` prints it. Types only. */
import type { BenchShape } from "../bench-options.ts";
import type { Percentiles } from "./histogram.ts";
import type { Verdict } from "./limits.ts";

/**
 * Rates, CPU and latencies are of the measured time; counts are of the whole run, with its
 * warm-up and drain. Times are in microseconds unless the name says otherwise.
 */
export interface BenchResult {
	readonly name: string;
	readonly shape: BenchShape;
	readonly publishers: number;
	readonly subscribers: number;
	readonly qos: number;
	readonly payloadBytes: number;
	readonly mqtt: string;
	/** The measured time. */
	readonly seconds: number;
	/** A signal ended it early, or all publishers had lost their connections. */
	readonly endedEarly: "" | "interrupted" | "disconnected";
	/** Messages a second; 0 where nobody publishes or subscribes. */
	readonly publishRate: number;
	readonly deliverRate: number;
	readonly sent: number;
	/** PUBACK or PUBCOMP has come. */
	readonly acknowledged: number;
	/** By a reason code of MQTT 5; of shape connect, CONNACKs that said no. */
	readonly refused: number;
	/** Copies that subscribers should have got; null when others publish. */
	readonly expected: number | null;
	/** Copies that subscribers got, duplicates included. */
	readonly received: number;
	readonly lost: number;
	readonly duplicates: number;
	/** Behind a later message of their publisher. */
	readonly reordered: number;
	/** Messages that no generator has sent. */
	readonly foreign: number;
	/** From the time a message was due to its arrival; of pub to its acknowledgement. null without any. */
	readonly latencyMicros: Percentiles | null;
	/** How late the generator itself sent what was due, at a fixed rate; else null. */
	readonly sendLateMicros: Percentiles | null;
	readonly connected: number;
	readonly connectSeconds: number;
	readonly connectRate: number;
	/** From the system call to CONNACK. */
	readonly connectMicros: Percentiles;
	/** Connections that were lost. */
	readonly disconnects: number;
	readonly generator: GeneratorFigures;
	/** null when its process is not on this machine, or not to be seen. */
	readonly broker: BrokerFigures | null;
	/** The first half of offline and retained; all else is of the second. */
	readonly storing: StoringFigures | null;
	/** What makes these figures less trustworthy, in words. */
	readonly warnings: readonly string[];
	readonly limits: readonly Verdict[];
	/** No limit is broken. */
	readonly passed: boolean;
}

export interface GeneratorFigures {
	/** Of one core. */
	readonly cpuShare: number;
	/** Per message sent or received. */
	readonly cpuMicrosPerMessage: number | null;
}

export interface StoringFigures {
	readonly seconds: number;
	/** Messages acknowledged a second. */
	readonly rate: number;
	readonly brokerCpuMicrosPerMessage: number | null;
	/** Of the broker, with all of it stored. */
	readonly rssBytes: number | null;
}

export interface BrokerFigures {
	readonly pid: number;
	/** User and system time of all its threads; the system counts in steps of 10 ms. */
	readonly cpuSeconds: number;
	/** Of one core. */
	readonly cpuShare: number;
	/** Per message delivered, or published when nobody subscribes, or connection made. */
	readonly cpuMicrosPerMessage: number | null;
	/** Before the first connection. */
	readonly rssStartBytes: number;
	/** At the end of the measured time. */
	readonly rssBytes: number;
	/** The most since the process began. */
	readonly rssPeakBytes: number;
}
