import { ReasonCode } from "../protocol/reason-codes.ts";
import type { OpenConnection } from "./broker.ts";

/** Packets that never become whole hold the memory: the largest one goes. */
export function closeLargestPartial(
	connections: Iterable<OpenConnection>,
): void {
	let largest: OpenConnection | null = null;
	for (const each of connections) {
		if (each.partialBytes > (largest?.partialBytes ?? 0)) largest = each;
	}
	largest?.terminate(
		ReasonCode.QuotaExceeded,
		"memory is short, and its half-received packet is the largest (memory_limit)",
	);
}
