/**
 * kill -9 under a mixed load: `npm run soak:kill` is the same for longer. KILLS and SEED set
 * how often, and which choices.
 */
import t from "tap";
import { runKills } from "../crash/kill.ts";

const kills = Number(process.env.KILLS ?? 20);
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

t.test(
	`${kills} times killed: what was acknowledged is there, in order, QoS 2 once [MQTT-4.3.3-10] [MQTT-4.4.0-1] [MQTT-4.6.0-6]`,
	async (t) => {
		const { violations, sent, received, cutOff, looks } = await runKills({
			kills,
			seed,
		});
		const { pubrec, pubcomp, pubrel } = cutOff;
		t.comment(`SEED=${seed}: ${sent} messages sent, ${received} received`);
		t.strictSame(violations.slice(0, 20), [], `with SEED=${seed}`);
		t.ok(sent > kills && received > sent, "there was traffic");
		t.ok(looks > kills, "retained messages were looked at after each start");
		t.ok(pubrec > 0, "publishers were cut off before PUBREC");
		t.ok(pubcomp > 0, "publishers were cut off before PUBCOMP");
		t.ok(pubrel > 0, "subscribers were cut off before PUBREL");
	},
);
