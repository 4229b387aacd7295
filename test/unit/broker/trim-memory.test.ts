import t from "tap";
import { Overload } from "../../../src/broker/overload.ts";
import { ByteBudget } from "../../../src/platform/byte-budget.ts";
import { Logger, RateLimit } from "../../../src/platform/logger.ts";
import { TimerWheel } from "../../../src/platform/timer-wheel.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const MB = 1024 * 1024;

t.test(
	"what a crowd left behind is returned, not more often than it is worth",
	async (t) => {
		const clock = new FakeClock();
		const memory = new ByteBudget(
			"memory",
			Number.POSITIVE_INFINITY,
			"memory_limit",
		);
		const calls: string[] = [];
		let resident = 50 * MB;
		const overload = new Overload({
			clock,
			wheel: new TimerWheel(clock),
			log: new Logger(() => {}, clock, {
				level: "off",
				classes: {},
				format: "text",
			}),
			logLimit: new RateLimit(clock, 1000),
			memory,
			holders: [],
			refresh: () => {},
			residentBytes: () => resident,
			preferMemory: () => {},
			returnFreeMemory: (isFirst) => calls.push(`return ${isFirst}`),
			trimMemory: () => {
				calls.push("trim");
				resident -= 5 * MB;
			},
			onStage: () => {},
			relieve: () => {},
		});
		overload.watch(200 * MB, 100 * MB);
		clock.advance(60_000);
		t.strictSame(calls, ["return true"], "once soon after the start");
		resident = 57 * MB;
		clock.advance(60_000);
		t.equal(calls.length, 1, "little growth is not worth it");
		resident = 60 * MB;
		clock.advance(2000);
		t.strictSame(calls.slice(1), ["trim"]);
		resident = 70 * MB;
		clock.advance(10_000);
		t.equal(calls.length, 2, "not again so soon");
		clock.advance(30_000);
		t.strictSame(calls.slice(2), ["trim"]);
		resident = 40 * MB;
		clock.advance(60_000);
		resident = 49 * MB;
		clock.advance(60_000);
		t.strictSame(
			calls.slice(3),
			["trim"],
			"growth counts from where it fell to",
		);
		overload.stop();
	},
);
