import fc from "fast-check";
import t from "tap";
import type {
	MemberView,
	SharedPolicy,
} from "../../src/topics/shared-group.ts";
import { SharedGroup } from "../../src/topics/shared-group.ts";

interface Member {
	readonly online: boolean;
	readonly free: boolean;
	inflight: number;
	received: number;
}

const view: MemberView<Member> = {
	isOnline: (m) => m.online,
	inflight: (m) => m.inflight,
	canTake: (m) => m.free,
};

const members = fc.array(
	fc.record({
		online: fc.boolean(),
		free: fc.boolean(),
		inflight: fc.constant(0),
		received: fc.constant(0),
	}),
	{ minLength: 1, maxLength: 12 },
);

function best(all: readonly Member[]): Member[] {
	for (const [free, online] of [
		[true, true],
		[true, false],
		[false, true],
	] as const) {
		const some = all.filter((m) => m.free === free && m.online === online);
		if (some.length > 0) return some;
	}
	return [...all];
}

function deliver(all: Member[], policy: SharedPolicy, count: number): void {
	const group = new SharedGroup<Member>("g", "f");
	for (const member of all) group.add(member);
	for (let i = 0; i < count; i++) {
		const member = group.pick(policy, view);
		if (member === null) throw new Error("nobody was chosen");
		member.received++;
		member.inflight++;
	}
}

for (const policy of ["round_robin", "least_inflight"] as const)
	t.test(`${policy} gives equal shares to the best members`, async (t) => {
		fc.assert(
			fc.property(members, fc.integer({ min: 1, max: 20 }), (all, rounds) => {
				const good = best(all);
				deliver(all, policy, rounds * good.length);
				for (const member of all)
					t.equal(member.received, good.includes(member) ? rounds : 0);
			}),
			{ numRuns: 200 },
		);
	});

t.test("random gives about equal shares to the best members", async (t) => {
	fc.assert(
		fc.property(members, (all) => {
			const good = best(all);
			deliver(all, "random", 2000 * good.length);
			for (const member of all) {
				// the standard deviation is below 45: this is more than eight of them
				if (good.includes(member)) t.ok(Math.abs(member.received - 2000) < 400);
				else t.equal(member.received, 0);
			}
		}),
		{ numRuns: 20 },
	);
});

t.test("sticky gives everything to one of the best members", async (t) => {
	fc.assert(
		fc.property(members, (all) => {
			deliver(all, "sticky", 50);
			t.equal(best(all).filter((m) => m.received === 50).length, 1);
		}),
		{ numRuns: 200 },
	);
});
