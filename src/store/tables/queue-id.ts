import { LAST_SEQUENCE } from "../operation.ts";

/**
 * The key of a row of `queue`, in SQL: `queue << 37 | sequence`. See {@link QueueTable}.
 */

/** Parameters: queue, sequence. */
export const ID = "(? << 37 | ?)";
/** Parameters: queue, first sequence, queue, last sequence. */
export const RANGE = `id BETWEEN ${ID} AND ${ID}`;
/** The sequence of a row. */
export const SEQUENCE = `id & ${LAST_SEQUENCE}`;
/** Parameters: queue, topic, first sequence, last sequence. */
export const OF_TOPIC = `id IN (SELECT queue << 37 | sequence FROM queue_topic
	WHERE queue = ? AND topic = ? AND sequence BETWEEN ? AND ?)`;
