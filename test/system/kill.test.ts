/**
 * kill -9 under load. KILLS sets how often (10); the longer runs use the same file with a
 * higher number and a longer time limit.
 */
import t from "tap";
import { spawnBroker } from "../support/spawn-broker.ts";
import { KillRun } from "./kill-run.ts";

const kills = Number(process.env.KILLS ?? 10);

t.test(
	`${kills} times killed: nothing acknowledged is lost, QoS 2 arrives exactly once and in order [MQTT-4.3.3-10] [MQTT-4.4.0-1] [MQTT-4.6.0-6]`,
	async (t) => {
		const broker = await spawnBroker(t, {
			config: {
				max_offline_messages: "unlimited",
				max_online_messages: "unlimited",
				max_queued_bytes: "unlimited",
			},
		});
		const result = await new KillRun(broker).run({
			kills,
			messagesPerKill: 1000,
			drainMs: 20_000 + kills * 500,
		});
		const { violations, sent, received } = result;
		t.comment(`${kills} kills, ${sent} messages sent, ${received} received`);
		t.strictSame(violations.slice(0, 20), []);
		t.ok(sent > kills, "there was traffic");
		t.equal(await broker.stop(), 0);
	},
);
