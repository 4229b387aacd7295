/** What the process holds, as JSON, for tests of the running process. */
import { writeFileSync } from "node:fs";
import type { Broker } from "./broker/broker.ts";
import { heapCeilingMegabytes } from "./platform/heap-ceiling.ts";

/** Collects garbage first where the runtime allows. */
export function writeReport(broker: Broker, file: string): void {
	globalThis.gc?.();
	const { heapUsed, rss, external } = process.memoryUsage();
	const budgets = Object.fromEntries(
		broker.budgets.ofClients.map((budget) => [budget.name, budget.used]),
	);
	const report = {
		heapUsed,
		heapCeilingMegabytes: heapCeilingMegabytes(),
		rss,
		external,
		budgets,
		memory: broker.overload.status,
		wear: broker.wear.status,
		connections: broker.connections.size,
		sessions: broker.registry.size,
		subscriptions: broker.router.subscriptions.size,
		counters: broker.counters,
		statistics: broker.statistics,
		store: broker.store.counters,
		degraded: broker.degraded.status,
	};
	writeFileSync(file, JSON.stringify(report));
}
