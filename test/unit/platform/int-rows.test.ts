import fc from "fast-check";
import t from "tap";
import { HashIndex, hashText } from "../../../src/platform/hash-index.ts";
import { IntRows } from "../../../src/platform/int-rows.ts";
import { TextStore } from "../../../src/platform/text-store.ts";

t.test(
	"rows keep what was put into them, whatever comes and goes",
	async (t) => {
		const rows = new IntRows(4);
		const model = new Map<number, number>();
		let wrong = 0;
		for (let i = 0; i < 5000; i++) {
			const row = rows.allocate();
			if (model.has(row) || rows.get(row, 0) !== 0 || rows.get(row, 1) !== 0)
				wrong++;
			rows.set(row, 0, i);
			rows.set(row, 1, 1);
			rows.setDouble(row, 2, i * 1e12 + 0.5);
			model.set(row, i);
			if (i % 3 !== 0) continue;
			const [oldest = 0] = model.keys();
			rows.free(oldest);
			model.delete(oldest);
		}
		t.equal(wrong, 0, "each has a number of its own, and is empty");
		t.equal(rows.size, model.size);
		const kept = [...model].filter(
			([row, i]) =>
				rows.get(row, 0) === i && rows.getDouble(row, 2) === i * 1e12 + 0.5,
		);
		t.equal(kept.length, model.size);
		const live = Array.from({ length: rows.lastRow }, (_, i) => i + 1).filter(
			(row) => rows.peek(row, 1) !== 0,
		);
		t.strictSame(new Set(live), new Set(model.keys()), "live ones can be told");
		for (const row of model.keys()) rows.free(row);
		t.equal(rows.lastRow, 0, "the memory is given back");
		t.equal(rows.peek(77, 1), 0);
		t.equal(rows.allocate(), 1);
	},
);

t.test(
	"an index finds what was added and not removed, as a set does",
	async () => {
		const change = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 300 }));
		// Few hashes: rows get into each other's way.
		const hashOf = (row: number) => Math.imul(row % 20, 0x9e3779b1);
		const has = (index: HashIndex, row: number) => {
			let at = index.first(hashOf(row));
			for (; index.rowAt(at) !== 0; at = index.next(at))
				if (index.rowAt(at) === row) return true;
			return false;
		};
		fc.assert(
			fc.property(fc.array(change, { maxLength: 600 }), (changes) => {
				const index = new HashIndex(hashOf);
				const model = new Set<number>();
				for (const [isAdd, row] of changes) {
					if (isAdd === model.has(row)) continue;
					if (isAdd) {
						index.add(row);
						model.add(row);
					} else {
						index.remove(row);
						model.delete(row);
					}
				}
				for (let row = 1; row <= 300; row++)
					if (has(index, row) !== model.has(row)) return false;
				return true;
			}),
			{ numRuns: 200 },
		);
	},
);

t.test("the hash is that of the part and of the salt", async (t) => {
	t.equal(hashText("xx/ab", 3, 5, 7), hashText("ab", 0, 2, 7));
	t.not(hashText("ab", 0, 2, 7), hashText("ab", 0, 2, 8));
	t.not(hashText("ab", 0, 2, 7), hashText("ba", 0, 2, 7));
});

t.test("texts of any writing come back, also after moving", async () => {
	const text = fc.oneof(
		fc.string({ maxLength: 20 }),
		fc.string({ unit: "binary", maxLength: 20 }),
		fc.constant("\ud800 alone"),
		fc.constant(""),
		fc.constant("日".repeat(300)),
	);
	fc.assert(
		fc.property(fc.array(text, { maxLength: 40 }), (texts) => {
			const store = new TextStore();
			const places = texts.map((each) => {
				const word = TextStore.wordOf(each);
				return { place: store.add(each, word), word };
			});
			const isRight = () =>
				places.every(({ place, word }, i) => {
					const each = texts[i] ?? "";
					return (
						store.read(place, word) === each &&
						store.hash(place, word, i) === hashText(each, 0, each.length, i) &&
						store.equals(place, word, `>${each}<`, 1, each.length + 1) &&
						!store.equals(place, word, `${each}x`, 0, each.length + 1) &&
						(each === "" ||
							!store.equals(place, word, `${each.slice(1)}!`, 0, each.length) ||
							each === `${each.slice(1)}!`)
					);
				});
			if (!isRight()) return false;
			store.compact((move) => {
				for (const each of places) each.place = move(each.place, each.word);
			});
			return isRight();
		}),
		{ numRuns: 100 },
	);
});

t.test("the longest text has room, in any writing", async (t) => {
	const store = new TextStore();
	for (const text of ["日".repeat(65_535), "x".repeat(65_535)]) {
		const word = TextStore.wordOf(text);
		const place = store.add(text, word);
		t.ok(store.read(place, word) === text);
		t.ok(store.equals(place, word, text, 0, text.length));
	}
});

t.test("says when most of it is holes", async (t) => {
	const store = new TextStore();
	const text = "x".repeat(1000);
	const word = TextStore.wordOf(text);
	for (let i = 0; i < 1000; i++) store.add(text, word);
	t.notOk(store.isMostlyGarbage);
	for (let i = 0; i < 600; i++) store.release(word);
	t.ok(store.isMostlyGarbage);
	const kept = store.add("kept", TextStore.wordOf("kept"));
	let moved = 0;
	store.compact((move) => {
		moved = move(kept, TextStore.wordOf("kept"));
	});
	t.equal(store.read(moved, TextStore.wordOf("kept")), "kept");
	t.notOk(store.isMostlyGarbage);
});
