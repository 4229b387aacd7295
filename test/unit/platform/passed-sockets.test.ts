import t from "tap";
import { passedSockets } from "../../../src/platform/passed-sockets.ts";
import { PassedDescriptors } from "../../../src/transport/passed-descriptors.ts";

t.test("descriptors from 3 on, with their names", async (t) => {
	const env = { LISTEN_PID: "77", LISTEN_FDS: "2", LISTEN_FDNAMES: "a:b" };
	t.strictSame(passedSockets(env, 77), [
		{ descriptor: 3, name: "a" },
		{ descriptor: 4, name: "b" },
	]);
	const { LISTEN_FDNAMES: _, ...nameless } = env;
	t.strictSame(
		passedSockets(nameless, 77).map(({ name }) => name),
		["unknown", "unknown"],
	);
});

t.test("none that are not ours", async (t) => {
	t.strictSame(passedSockets({}, 77), []);
	t.strictSame(passedSockets({ LISTEN_PID: "76", LISTEN_FDS: "1" }, 77), []);
	for (const LISTEN_FDS of ["", "x", "-1", "1.5"])
		t.strictSame(passedSockets({ LISTEN_PID: "77", LISTEN_FDS }, 77), []);
});

t.test("each goes to the listener it names, once", async (t) => {
	const key = "listener.tcp.default";
	const passed = new PassedDescriptors([
		{ descriptor: 3, name: key },
		{ descriptor: 4, name: "broker.socket" },
		{ descriptor: 5, name: key },
	]);
	t.strictSame(passed.take("listener.ws.default"), []);
	t.strictSame(passed.take(key), [3, 5]);
	t.strictSame(passed.take(key), []);
	t.throws(
		() => passed.refuseRest([key, "listener.ws.default"]),
		/socket with the name broker\.socket, .*FileDescriptorName=KEY .* one of listener\.tcp\.default, listener\.ws\.default/,
	);
	t.strictSame(passed.take("broker.socket"), [4]);
	passed.refuseRest([]);
});
