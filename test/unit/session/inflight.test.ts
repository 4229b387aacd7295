import t from "tap";
import { ByteBudget } from "../../../src/platform/byte-budget.ts";
import {
	firstPacketId,
	Inflight,
	type InflightEntry,
	type InflightOwner,
} from "../../../src/session/inflight.ts";
import { entryOf, NotingTicket } from "./session-fixture.ts";

class NotingOwner implements InflightOwner {
	readonly durable: InflightEntry[] = [];

	onEntryDurable(entry: InflightEntry): void {
		this.durable.push(entry);
	}
}

t.test(
	"gives rising packet ids, beginning with 1 [MQTT-2.2.1-2]",
	async (t) => {
		const inflight = new Inflight(1);
		const owner = new NotingOwner();
		for (const expected of [1, 2, 3]) {
			const entry = entryOf();
			inflight.add(entry, owner);
			t.equal(entry.packetId, expected);
			t.equal(inflight.get(expected), entry);
		}
		t.equal(inflight.size, 3);
	},
);

t.test(
	"passes over ids in use and wraps from 65535 to 1 [MQTT-2.2.1-4]",
	async (t) => {
		const inflight = new Inflight(1);
		const owner = new NotingOwner();
		const first = entryOf();
		inflight.add(first, owner);
		const given = new Set<number>();
		for (let i = 0; i < 2 * 65_535; i++) {
			const entry = entryOf();
			inflight.add(entry, owner);
			given.add(entry.packetId);
			inflight.remove(entry);
		}
		t.equal(first.packetId, 1);
		t.notOk(given.has(1), "1 is still in use");
		t.ok(given.has(2) && given.has(65_535));
		t.ok(given.size > 60_000, "few ids are passed over for one in use");
		t.equal(Math.max(...given), 65_535);
		t.equal(inflight.get(1), first);
	},
);

t.test("a full window finds an id for each entry", async (t) => {
	const inflight = new Inflight(1);
	const owner = new NotingOwner();
	const entries = Array.from({ length: 65_535 }, () => entryOf());
	for (const entry of entries) inflight.add(entry, owner);
	t.equal(new Set(entries.map((each) => each.packetId)).size, 65_535);
	t.strictSame(inflight.entries(), entries);
	for (const entry of entries) inflight.remove(entry);
	t.equal(inflight.size, 0);
});

t.test(
	"ids count up from the first of the run and begin again at 1",
	async (t) => {
		const inflight = new Inflight(65_535);
		const owner = new NotingOwner();
		const [last, first] = [entryOf(), entryOf()];
		inflight.add(last, owner);
		inflight.add(first, owner);
		t.equal(last.packetId, 65_535);
		t.equal(first.packetId, 1);
		t.equal(firstPacketId("strict"), 1);
		const firsts = new Set(
			Array.from({ length: 20 }, () => firstPacketId("relaxed")),
		);
		t.ok(firsts.size > 1, "a relaxed run begins anywhere");
		for (const id of firsts) t.ok(id >= 1 && id <= 65_535);
	},
);

t.test("an entry keeps the id it was sent with [MQTT-4.4.0-1]", async (t) => {
	const inflight = new Inflight(1);
	const resent = entryOf();
	resent.packetId = 77;
	inflight.add(resent, new NotingOwner());
	t.equal(resent.packetId, 77);
	t.equal(inflight.get(77), resent);
});

t.test("an entry whose id is taken gets another", async (t) => {
	const inflight = new Inflight(1);
	const owner = new NotingOwner();
	const one = entryOf();
	inflight.add(one, owner);
	const other = entryOf();
	other.packetId = 1;
	inflight.add(other, owner);
	t.equal(one.packetId, 1);
	t.equal(other.packetId, 2);
	t.equal(inflight.size, 2);
});

t.test(
	"the order of entries is the order of sending [MQTT-4.6.0-1]",
	async (t) => {
		const inflight = new Inflight(1);
		const owner = new NotingOwner();
		const high = entryOf(undefined, { sequence: 1 });
		high.packetId = 9;
		inflight.add(high, owner);
		inflight.add(entryOf(undefined, { sequence: 2 }), owner);
		t.strictSame(
			[...inflight.entries()].map((entry) => entry.sequence),
			[1, 2],
		);
	},
);

t.test("an entry that left the window tells nobody", async (t) => {
	const inflight = new Inflight(1);
	const owner = new NotingOwner();
	const [removed, cleared, kept] = [entryOf(), entryOf(), entryOf()];
	for (const entry of [removed, cleared, kept]) {
		entry.hold();
		inflight.add(entry, owner);
	}
	kept.settle();
	inflight.remove(removed);
	inflight.clear();
	removed.settle();
	cleared.settle();
	t.strictSame(owner.durable, [kept]);
	t.equal(inflight.size, 0);
});

t.test("a publisher's ticket is settled with the entry's row", async (t) => {
	const notes: string[] = [];
	const upstream = new NotingTicket("publisher", notes);
	upstream.hold();
	const entry = entryOf();
	entry.hold();
	entry.upstream = upstream;
	entry.settle();
	t.strictSame(notes, ["publisher"]);
	entry.hold();
	entry.settle();
	t.strictSame(notes, ["publisher"], "once only");
});

t.test("an entry holds a share of its message", async (t) => {
	const budget = new ByteBudget("messages", Infinity, "none");
	const entry = entryOf(budget);
	t.equal(budget.used, entry.message.size);
	entry.message.release();
	t.equal(budget.used, 0);
});
