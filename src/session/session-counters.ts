import type { QueueTotals } from "../store/store.ts";

/** What sessions count; plain numbers, written directly on the hot path. */
export class SessionCounters {
	/** PUBLISH packets sent to clients. */
	publishSent = 0;
	/** QoS 0 messages dropped because the reader was slow. */
	droppedSlowReader = 0;
	/** Messages dropped because a queue was full. */
	droppedQueueFull = 0;
	/** Messages that expired in a queue. */
	expired = 0;
	/** Messages larger than what a client takes. */
	droppedTooLarge = 0;
	/** Publishers were told that a queue is full (`queue_overflow = reject`). */
	rejectedQueueFull = 0;
	/** Messages not retained because there are too many retained ones. */
	refusedRetained = 0;
	/** Messages waiting in all queues or in flight, QoS > 0. */
	queuedMessages = 0;
	/** Their topic, payload and property bytes. */
	queuedBytes = 0;
	/** Sessions in which another connection took over. */
	takeOvers = 0;

	/** Messages that wait, with all their bytes; negative to take away. */
	addQueued(messages: number, bytes: number): void {
		this.queuedMessages += messages;
		this.queuedBytes += bytes;
	}

	addLanes(lanes: readonly QueueTotals[], sign: 1 | -1): void {
		for (const { queuedMessages, queuedBytes } of lanes)
			this.addQueued(sign * queuedMessages, sign * queuedBytes);
	}
}
