import t from "tap";
import { inBytes, inTime, plural } from "../../../src/platform/words.ts";

t.test("bytes have the unit that suits them", async (t) => {
	t.equal(inBytes(0), "0 B");
	t.equal(inBytes(1023), "1023 B");
	t.equal(inBytes(1024), "1.0 KB");
	t.equal(inBytes(1024 * 1024 * 1.5), "1.5 MB");
	t.equal(inBytes(2 ** 50), "1024.0 TB");
	t.equal(inBytes(Number.POSITIVE_INFINITY), "unlimited");
});

t.test("times have two units at most", async (t) => {
	t.equal(inTime(0), "0 ms");
	t.equal(inTime(999), "999 ms");
	t.equal(inTime(1000), "1 s");
	t.equal(inTime(61_000), "1 min 1 s");
	t.equal(inTime(3_600_000), "1 h");
	t.equal(inTime(86_400_000 * 3 + 3_600_000 * 4 + 5000), "3 d 4 h");
	t.equal(inTime(Number.POSITIVE_INFINITY), "never");
});

t.test("plurals", async (t) => {
	t.equal(plural(1, "message"), "1 message");
	t.equal(plural(0, "message"), "0 messages");
	t.equal(plural(1_204_000, "message"), "1,204,000 messages");
});
