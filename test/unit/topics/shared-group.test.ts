import t from "tap";
import type {
	MemberView,
	SharedPolicy,
} from "../../../src/topics/shared-group.ts";
import { SharedGroup } from "../../../src/topics/shared-group.ts";

interface Member {
	name: string;
	online: boolean;
	full: boolean;
	inflight: number;
}

const view: MemberView<Member> = {
	isOnline: (m) => m.online,
	inflight: (m) => m.inflight,
	canTake: (m) => !m.full,
};

function groupOf(...names: string[]) {
	const group = new SharedGroup<Member>("workers", "jobs/#");
	const members: Record<string, Member> = {};
	for (const name of names) {
		const member = { name, online: true, full: false, inflight: 0 };
		members[name] = member;
		group.add(member);
	}
	return {
		group,
		set: (name: string, change: Partial<Member>) => {
			Object.assign(members[name] ?? {}, change);
		},
		remove: (name: string) => group.remove(members[name] as Member),
	};
}

function picks(
	group: SharedGroup<Member>,
	policy: SharedPolicy,
	count: number,
	random?: () => number,
): string {
	let names = "";
	for (let i = 0; i < count; i++)
		names += group.pick(policy, view, random)?.name ?? "-";
	return names;
}

const policies: readonly SharedPolicy[] = [
	"random",
	"round_robin",
	"least_inflight",
	"sticky",
	"prefer_local",
	"local_only",
];

t.test("knows its members", async (t) => {
	const { group, remove } = groupOf("a", "b");
	t.equal(group.name, "workers");
	t.equal(group.filter, "jobs/#");
	group.add(group.members[0] as Member);
	t.same(
		group.members.map((m) => m.name),
		["a", "b"],
	);
	t.equal(remove("a"), true);
	t.equal(remove("a"), false);
	t.equal(group.isEmpty, false);
	t.equal(remove("b"), true);
	t.equal(group.isEmpty, true);
});

for (const policy of policies) {
	t.test(`${policy}: nobody, one, and all gone`, async (t) => {
		const { group, remove } = groupOf("a");
		t.equal(picks(group, policy, 3), "aaa");
		remove("a");
		t.equal(group.pick(policy, view), null);
	});

	t.test(`${policy}: online members come first [VD082]`, async (t) => {
		const { group, set } = groupOf("a", "b", "c");
		set("a", { online: false });
		set("b", { online: false, inflight: 0 });
		set("c", { inflight: 99 });
		t.equal(picks(group, policy, 20), "c".repeat(20));
		set("c", { online: false });
		t.match(picks(group, policy, 20), /^[abc]{20}$/);
	});

	t.test(
		`${policy}: who is full is passed over while another can take`,
		async (t) => {
			const { group, set } = groupOf("a", "b", "c");
			set("a", { full: true });
			set("b", { full: true, online: false });
			set("c", { online: false });
			t.equal(picks(group, policy, 20), "c".repeat(20));
			set("c", { full: true });
			t.equal(picks(group, policy, 20), "a".repeat(20), "all are full");
		},
	);
}

t.test(
	"round_robin takes turns, whoever joins, leaves or is away",
	async (t) => {
		const { group, set, remove } = groupOf("a", "b", "c", "d");
		t.equal(picks(group, "round_robin", 6), "abcdab");
		remove("a");
		t.equal(picks(group, "round_robin", 3), "cdb");
		set("c", { online: false });
		t.equal(picks(group, "round_robin", 4), "dbdb");
		set("c", { online: true });
		t.equal(picks(group, "round_robin", 3), "cdb");
		remove("d");
		t.equal(picks(group, "round_robin", 4), "cbcb");
	},
);

t.test("round_robin takes turns among offline members too", async (t) => {
	const { group, set } = groupOf("a", "b", "c");
	for (const name of ["a", "b", "c"]) set(name, { online: false });
	t.equal(picks(group, "round_robin", 6), "abcabc");
});

t.test("least_inflight takes the idlest, equal ones in turn", async (t) => {
	const { group, set } = groupOf("a", "b", "c");
	t.equal(picks(group, "least_inflight", 6), "abcabc");
	set("a", { inflight: 5 });
	set("b", { inflight: 3 });
	set("c", { inflight: 3 });
	t.equal(picks(group, "least_inflight", 4), "bcbc");
	set("a", { inflight: 2 });
	t.equal(picks(group, "least_inflight", 3), "aaa");
});

t.test("sticky stays until its member is worse off than another", async (t) => {
	const { group, set, remove } = groupOf("a", "b", "c");
	const first = () => 0;
	t.equal(picks(group, "sticky", 3, first), "aaa");
	set("a", { full: true });
	t.equal(
		picks(group, "sticky", 3, () => 0.5),
		"bbb",
	);
	set("a", { full: false });
	t.equal(picks(group, "sticky", 3, first), "bbb", "does not go back");
	remove("b");
	t.equal(
		picks(group, "sticky", 3, () => 0.99),
		"ccc",
	);
	for (const name of ["a", "c"]) set(name, { online: false });
	t.equal(picks(group, "sticky", 3, first), "ccc", "the other is no better");
});

t.test("random counts the good members when guesses fail", async (t) => {
	const { group, set } = groupOf("a", "b", "c", "d");
	set("a", { online: false });
	t.equal(
		picks(group, "random", 1, () => 0),
		"b",
	);
	const values = [0, 0, 0, 0.999];
	t.equal(
		picks(group, "random", 1, () => values.shift() ?? 0),
		"d",
	);
	t.equal(
		picks(group, "random", 1, () => 1),
		"d",
		"1 is not beyond the end",
	);
});
