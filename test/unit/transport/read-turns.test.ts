import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import type { StreamHandler } from "../../../src/transport/byte-stream.ts";
import {
	endTurn,
	hasUsedTurn,
	nextReadSize,
} from "../../../src/transport/read-turns.ts";
import { TcpListener } from "../../../src/transport/tcp.ts";
import { Acceptor, connectTo, listenerOptions } from "./support.ts";

function reader() {
	return {
		turns: 0,
		readAgain() {
			this.turns++;
		},
	};
}

t.test("a reader's full reads add up to its share of a turn", async (t) => {
	const one = reader();
	t.equal(hasUsedTurn(one, 0.3), false);
	t.equal(hasUsedTurn(one, 0.3), true);
	t.equal(one.turns, 0, "not before the others");
	await nextTurn();
	t.equal(one.turns, 1);
	t.equal(hasUsedTurn(one, 0.3), false, "a new turn begins with nothing used");
	const other = reader();
	t.equal(hasUsedTurn(other, 0.3), false, "nor does another one's time count");
});

t.test("all that wait go on together, once", async (t) => {
	const readers = [reader(), reader()];
	for (const each of readers) endTurn(each);
	await nextTurn();
	await nextTurn();
	t.same(
		readers.map(({ turns }) => turns),
		[1, 1],
	);
});

t.test("a read that takes long is smaller the next time", async (t) => {
	t.equal(nextReadSize(0, 5, 2), 1);
	t.equal(nextReadSize(1, 5, 2), 1, "down to the smallest");
	t.equal(nextReadSize(1, 0.2, 2), 1);
	t.equal(nextReadSize(1, 0.01, 2), 0, "and back");
	t.equal(nextReadSize(0, 0.01, 2), 0);
});

/** Takes long for each read and notes who was read. */
class Slow implements StreamHandler {
	bytes = 0;
	readonly #name: string;
	readonly #order: string[];

	constructor(name: string, order: string[]) {
		this.#name = name;
		this.#order = order;
	}

	onData(chunk: Buffer): void {
		this.bytes += chunk.length;
		this.#order.push(this.#name);
		const until = performance.now() + 2;
		while (performance.now() < until);
	}

	onDrain(): void {}
	onClose(): void {}
}

t.test(
	"a socket with much to read does not keep another one waiting",
	async (t) => {
		const acceptor = new Acceptor();
		const listener = new TcpListener(
			listenerOptions(),
			acceptor.accept,
			() => {},
		);
		await listener.start();
		t.teardown(() => listener.stop());
		const order: string[] = [];
		const flood = await connectTo(listener.port);
		const flooded = (await acceptor.next()).stream;
		const quiet = await connectTo(listener.port);
		const quieted = (await acceptor.next()).stream;
		t.teardown(() => {
			acceptor.destroyAll();
			flood.destroy();
			quiet.destroy();
		});
		const slow = new Slow("flood", order);
		flooded.setHandler(slow);
		quieted.setHandler(new Slow("quiet", order));
		flooded.pause();
		quieted.pause();
		const wanted = 2_000_000;
		flood.write(Buffer.alloc(wanted));
		quiet.write("a");
		// Both have something to read before either is read.
		for (let i = 0; i < 50; i++) await nextTurn();
		flooded.resume();
		quieted.resume();
		while (slow.bytes < wanted) await nextTurn();
		t.ok(order.length > 20, `${order.length} reads`);
		const at = order.indexOf("quiet");
		t.ok(at >= 0 && at <= 2, `read as number ${at + 1}`);
	},
);
