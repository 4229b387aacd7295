import t from "tap";
import { SafeMode } from "../../../src/broker/safe-mode.ts";
import { startRig } from "./broker-fixture.ts";

const HOUR_MS = 3_600_000;

t.test(
	"safe mode is said at the start and every hour, and in the status",
	async (t) => {
		const safeMode = new SafeMode();
		safeMode.enter("the disk is gone", null);
		const rig = await startRig(t, {}, { safeMode });
		const said = () => rig.log.filter((line) => line.includes("safe mode: "));
		t.equal(said().length, 1);
		t.match(
			said()[0],
			/error store .*does not survive a restart: the disk is gone/,
		);
		rig.clock.advance(HOUR_MS / 2);
		t.equal(said().length, 1);
		rig.clock.advance(3 * HOUR_MS);
		t.equal(said().length, 4);
		t.ok(rig.api.isSafeMode);
		t.match(rig.api.status.alarms, [/^safe mode: .*the disk is gone$/]);
	},
);

t.test(
	"it is said once when a restart would bring the state back",
	async (t) => {
		let canLeave = false;
		const safeMode = new SafeMode();
		safeMode.enter("the folder is read-only", async () => canLeave);
		const rig = await startRig(t, {}, { safeMode });
		const said = () =>
			rig.log.filter((line) => line.includes("can be written again"));
		await rig.clock.advanceAsync(120_000);
		t.strictSame(said(), []);
		canLeave = true;
		await rig.clock.advanceAsync(180_000);
		t.equal(said().length, 1);
		t.match(said()[0], /restart the broker/);
		t.match(rig.api.status.alarms, [/restart the broker to leave safe mode/]);
		canLeave = false;
		await rig.clock.advanceAsync(120_000);
		t.notMatch(rig.api.status.alarms, [/this is over/]);
	},
);

t.test(
	"what is in memory is not taken for the state: no backup, no check",
	async (t) => {
		const safeMode = new SafeMode();
		safeMode.enter("it crashed three times", null);
		const { api } = await startRig(t, {}, { safeMode });
		t.equal(await api.stateCopy.file(), null);
		const refusal = {
			status: 409,
			message: /safe mode.*stop it .*call this again/,
		};
		await t.rejects(api.stateCopy.open(), refusal);
		await t.rejects(api.stateCopy.check(), refusal);
	},
);

t.test("nothing is said without it", async (t) => {
	const rig = await startRig(t);
	rig.clock.advance(2 * HOUR_MS);
	t.notOk(rig.api.isSafeMode);
	t.strictSame(rig.api.status.alarms, []);
	t.strictSame(rig.log, []);
});
