import t from "tap";
import { statusLine } from "../../src/status-line.ts";

const MB = 1024 * 1024;
const calm = {
	clients: 0,
	messageRate: 0,
	queuedBytes: 0,
	storeTrouble: "",
	memoryStage: "normal",
};

t.test("one line that a person can use", async (t) => {
	t.equal(statusLine(calm), "0 clients, 0 msg/s, nothing queued");
	t.equal(
		statusLine({
			...calm,
			clients: 142,
			messageRate: 3104.2,
			queuedBytes: 8.04 * MB,
		}),
		"142 clients, 3.1k msg/s, 8.0 MB queued",
	);
	t.equal(
		statusLine({
			...calm,
			clients: 1,
			messageRate: 99.7,
			queuedBytes: 350 * MB,
		}),
		"1 client, 100 msg/s, 350 MB queued",
	);
	t.equal(
		statusLine({ ...calm, messageRate: 7.3, queuedBytes: 100 }),
		"0 clients, 7.3 msg/s, under 0.1 MB queued",
	);
	t.match(statusLine({ ...calm, messageRate: 996 }), "1k msg/s");
	t.match(statusLine({ ...calm, messageRate: 43_700 }), "44k msg/s");
});

t.test("what is wrong comes first", async (t) => {
	t.equal(
		statusLine({
			...calm,
			storeTrouble:
				"the database cannot be written: database or disk is full: /var/lib/broker/broker.db (0 MB free); free space on the disk",
			memoryStage: "refuse",
		}),
		"the database cannot be written: database or disk is full, memory is short (refuse), 0 clients, 0 msg/s, nothing queued",
	);
});
