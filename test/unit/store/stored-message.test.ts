import t from "tap";
import { ByteBudget } from "../../../src/platform/byte-budget.ts";
import type { ApplicationMessage } from "../../../src/protocol/messages.ts";
import { Publish } from "../../../src/protocol/publish.ts";
import {
	bodyLength,
	StoredMessage,
} from "../../../src/store/stored-message.ts";
import { decodeFrame } from "../../fixtures/decode-frame.ts";
import { frameOf } from "../../fixtures/frame-text.ts";

const never = Number.POSITIVE_INFINITY;
const message: ApplicationMessage = {
	topic: "a/b",
	qos: 1,
	retain: true,
	payload: Buffer.from("hello"),
	properties: frameOf("26 s'z' s'1' 01 01 26 s'a' s'2'"),
	expirySeconds: 60,
};

function budget(): ByteBudget {
	return new ByteBudget("messages", never, "memory_limit");
}

t.test("keeps bytes of its own", (t) => {
	for (const payload of ["x", "y".repeat(5000)]) {
		const frame = frameOf(`33 [ s'a/b' 0001 [ 26 s'k' s'v' ] '${payload}' ]`);
		const publish = decodeFrame(frame, 5) as Publish;
		const kept = StoredMessage.keep(publish, never, budget());
		frame.fill(0);
		t.match(kept, {
			topic: "a/b",
			qos: 1,
			retain: true,
			payload: Buffer.from(payload),
			properties: frameOf("26 s'k' s'v'"),
			expirySeconds: -1,
			bodyLength: payload.length + 7,
		});
	}
	t.end();
});

t.test("kept messages of all sizes do not overlap", (t) => {
	const kept: StoredMessage[] = [];
	for (let size = 0; size < 600; size += 7) {
		const payload = Buffer.alloc(size, size & 255);
		const publish = Publish.fromMessage({ ...message, payload });
		kept.push(StoredMessage.keep(publish, never, budget()));
	}
	for (const [index, one] of kept.entries()) {
		t.same(one.payload, Buffer.alloc(index * 7, (index * 7) & 255));
		t.same(one.properties, message.properties);
	}
	t.end();
});

t.test("an adopted message is the one that it was made of", (t) => {
	for (const properties of [message.properties, Buffer.alloc(0)]) {
		const source = { ...message, properties };
		const adopted = StoredMessage.adopt(source, never, budget());
		t.match(adopted, source);
		t.equal(bodyLength(adopted), bodyLength(source));
	}
	t.end();
});

t.test("charges once, from the first share to the last", (t) => {
	const used = budget();
	const kept = StoredMessage.adopt(message, never, used);
	t.equal(used.used, 0);
	kept.take().take();
	t.equal(used.used, kept.size);
	t.ok(kept.size > message.payload.length + message.properties.length);
	kept.release();
	t.equal(used.used, kept.size);
	kept.release();
	t.equal(used.used, 0);
	t.end();
});
