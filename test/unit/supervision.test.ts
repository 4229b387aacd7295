import t, { type Test } from "tap";
import { SystemdSupervisor } from "../../src/platform/supervisor.ts";
import { Supervision } from "../../src/supervision.ts";
import { startBroker } from "../support/start-broker.ts";

t.test("asks for more time while the database is opened", async (t) => {
	const { supervision, clock, said, running, broker } = await supervised(t);
	supervision.opening({ ...broker.settings, persistence: false });
	t.strictSame(said.splice(0), ["STATUS=opening the database"]);
	clock.advance(60_000);
	t.equal(said.filter((each) => each.startsWith("EXTEND")).length, 12);
	said.length = 0;
	clock.advance(600_000);
	t.strictSame(said, [], "a start that hangs is not extended for ever");
	supervision.ready(running, "text");
	t.strictSame(said, ["READY=1\nSTATUS=0 clients, 0 msg/s, nothing queued"]);
});

t.test("the status follows in steps of seconds, when it changed", async (t) => {
	const { supervision, clock, said, running, broker } = await supervised(t);
	supervision.ready(running, "text");
	said.length = 0;
	clock.advance(20_000);
	t.strictSame(said, [], "nothing has changed");
	broker.statistics.publishReceived += 500;
	clock.advance(4999);
	t.strictSame(said, []);
	clock.advance(1);
	t.strictSame(said, ["STATUS=0 clients, 100 msg/s, nothing queued"]);
	broker.store.counters.trouble = "the disk is gone: I/O error: /x";
	clock.advance(5000);
	t.match(said[1], /^STATUS=the disk is gone: I\/O error, 0 clients, 0 msg/);
});

t.test("says that it ends, and for how long", async (t) => {
	const { supervision, clock, said, running } = await supervised(t);
	supervision.ready(running, "text");
	said.length = 0;
	supervision.stopping(7, 0);
	t.match(said[0], /^STOPPING=1\nSTATUS=stopping: clients are told \(7\)/);
	t.strictSame(said.slice(1), ["EXTEND_TIMEOUT_USEC=20000000", "WATCHDOG=1"]);
	clock.advance(60_000);
	t.equal(said.length, 3, "and no more");
});

async function supervised(t: Test) {
	const { broker, running, clock } = await startBroker(t);
	const said: string[] = [];
	const supervisor = new SystemdSupervisor((text) => {
		said.push(text);
		return true;
	}, 0);
	return {
		supervision: new Supervision({
			supervisor,
			clock,
			log: broker.log,
			heartbeats: null,
		}),
		running,
		clock,
		said,
		broker,
	};
}
