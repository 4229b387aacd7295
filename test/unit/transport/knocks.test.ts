/** The broker knocks at its own doors: every transport knows it, and no client is taken for it. */
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { peerProcess } from "../../../src/platform/peer-process.ts";
import type {
	ByteStream,
	Listener,
} from "../../../src/transport/byte-stream.ts";
import { createListener } from "../../../src/transport/create-listener.ts";
import type { ListenerOptions } from "../../../src/transport/listener.ts";
import { socketFolder } from "../../support/notify-receiver.ts";

for (const transport of ["tcp", "ws", "unix"] as const) {
	t.test(
		`${transport}: a knock is answered, not counted and not logged`,
		async (t) => {
			const { listener, accepted, said } = await listening(t, transport, {
				maxConnections: 1,
			});
			t.ok(listener.doors.length > 0);
			for (const door of listener.doors) {
				t.ok(listener.addresses.includes(door.address), door.address);
				await Promise.all([door.knock(), door.knock()]);
				await door.knock();
			}
			t.equal(listener.connections, 0);
			t.equal((listener as Listener & { refused: number }).refused, 0);
			t.strictSame(accepted, []);
			t.strictSame(said, []);
		},
	);

	t.test(`${transport}: a client at the same time is a client`, async (t) => {
		const { listener, accepted } = await listening(t, transport);
		const [door] = listener.doors;
		if (door === undefined) throw new Error("no door");
		const client =
			transport === "unix" ? null : connect(listener.port, "127.0.0.1");
		if (client !== null) t.teardown(() => client.destroy());
		await Promise.all([
			...(client === null ? [] : [once(client, "connect")]),
			door.knock(),
			door.knock(),
		]);
		await door.knock();
		t.equal(listener.connections, client === null ? 0 : 1);
		t.equal(accepted.length, transport === "tcp" ? 1 : 0);
	});

	t.test(`${transport}: a door that is full still answers`, async (t) => {
		const { listener } = await listening(t, transport, { maxConnections: 0 });
		for (const door of listener.doors) await door.knock();
	});
}

t.test(
	"a listener that has stopped has no doors, and nobody is there",
	async (t) => {
		const { listener } = await listening(t, "tcp");
		const { doors } = listener;
		await listener.stop();
		t.strictSame(listener.doors, []);
		await t.rejects(doors[0]?.knock() ?? Promise.resolve(), {
			code: "ECONNREFUSED",
		});
	},
);

t.test("the process at the other end of a unix socket", async (t) => {
	t.equal(peerProcess(-1), 0);
	t.equal(peerProcess(0), 0, "no socket");
});

async function listening(
	t: Test,
	transport: ListenerOptions["transport"],
	more: Partial<ListenerOptions> = {},
) {
	const accepted: ByteStream[] = [];
	const said: string[] = [];
	const listener = createListener(
		{
			name: `${transport}:default`,
			transport,
			addresses: [
				{ host: "127.0.0.1", port: 0 },
				{ host: "::1", port: 0 },
			],
			path: transport === "unix" ? join(socketFolder(t), "mqtt") : undefined,
			maxConnections: 100,
			backlog: 10,
			noDelay: true,
			keepAliveSeconds: 0,
			...more,
		},
		(stream) => {
			accepted.push(stream);
			stream.setHandler({ onData() {}, onDrain() {}, onClose() {} });
		},
		(words) => said.push(words),
	);
	await listener.start();
	t.teardown(() => listener.stop());
	t.teardown(() => {
		for (const stream of accepted) stream.destroy();
	});
	return { listener, accepted, said };
}
