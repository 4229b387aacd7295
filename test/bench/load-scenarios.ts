/** The scenarios of the end-to-end benchmark and what a run of one reports. */

export interface Scenario {
	id: string;
	title: string;
	/**
	 * fanin: every publisher has its topic, one subscriber takes all.
	 * fanout: one topic for all. pair: publisher i to subscriber i.
	 */
	shape: "fanin" | "fanout" | "pair";
	publishers: number;
	subscribers: number;
	qos: 0 | 1 | 2;
	/** Most messages of a publisher that are not yet delivered. */
	lag: number;
	/** Most messages in one write; 64 without it. */
	burst?: number;
	/** Messages a second in all; without it as many as the broker takes. */
	rate?: number;
}

export const scenarios: readonly Scenario[] = [
	{
		id: "fanin0",
		title: "fan-in QoS 0, 10 to 1",
		shape: "fanin",
		publishers: 10,
		subscribers: 1,
		qos: 0,
		lag: 1000,
	},
	{
		id: "fanin1",
		title: "fan-in QoS 1, 10 to 1",
		shape: "fanin",
		publishers: 10,
		subscribers: 1,
		qos: 1,
		lag: 100,
	},
	{
		id: "fanout0",
		title: "fan-out QoS 0, 1 to 100",
		shape: "fanout",
		publishers: 1,
		subscribers: 100,
		qos: 0,
		lag: 500,
	},
	{
		id: "fanout1",
		title: "fan-out QoS 1, 1 to 100",
		shape: "fanout",
		publishers: 1,
		subscribers: 100,
		qos: 1,
		lag: 500,
	},
	{
		id: "pairs1",
		title: "50 pairs QoS 1",
		shape: "pair",
		publishers: 50,
		subscribers: 50,
		qos: 1,
		lag: 200,
	},
	{
		id: "pairs2",
		title: "20 pairs QoS 2",
		shape: "pair",
		publishers: 20,
		subscribers: 20,
		qos: 2,
		lag: 200,
	},
	// The scenarios above let many messages share a read and a write. These two
	// do not, which is closer to devices that report now and then.
	{
		id: "single0",
		title: "50 pairs QoS 0, one at a time",
		shape: "pair",
		publishers: 50,
		subscribers: 50,
		qos: 0,
		lag: 1,
		burst: 1,
	},
	{
		id: "lone0",
		title: "1 pair QoS 0, one at a time",
		shape: "pair",
		publishers: 1,
		subscribers: 1,
		qos: 0,
		lag: 1,
		burst: 1,
	},
	{
		id: "latency0",
		title: "latency at 2,000/s QoS 0, 20 pairs",
		shape: "pair",
		publishers: 20,
		subscribers: 20,
		qos: 0,
		lag: 1000,
		rate: 2000,
	},
	{
		id: "latency1",
		title: "latency at 2,000/s QoS 1, 20 pairs",
		shape: "pair",
		publishers: 20,
		subscribers: 20,
		qos: 1,
		lag: 1000,
		rate: 2000,
	},
];

/** One run of a scenario against one broker. */
export interface LoadOrder {
	scenario: Scenario;
	port: number;
	/** The broker's process, for its CPU time. */
	pid: number;
	payloadBytes: number;
	warmUpMs: number;
	durationMs: number;
}

export interface LoadResult {
	/** Messages a second that reached subscribers. */
	deliveryRate: number;
	/** User and system CPU of the whole broker process per delivered message. */
	cpuMicrosPerMessage: number;
	/** The broker's CPU time in the measured time, in milliseconds; the system counts in tens. */
	brokerCpuMs: number;
	/** Share of one core that the broker used: well below 1, it was not saturated. */
	brokerCpuShare: number;
	/** The same for the generator: near 1, it may have been the limit. */
	generatorCpuShare: number;
	/** Messages that did not arrive although the run waited for them. */
	lost: number;
	/** At a fixed rate: from the time a message was due until it arrived. */
	latencyMicros?: { p50: number; p99: number; max: number };
}
