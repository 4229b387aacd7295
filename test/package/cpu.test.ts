/**
 * The binary serves clients on the oldest processors of its architecture, by qemu's emulation
 * of one: x86-64 without SSE3, the Cortex-A53 of a Raspberry Pi 3. The packages look at no
 * processor's features because of this test. 20 s on a quiet machine.
 */
import { join } from "node:path";
import t from "tap";
import { connectRaw } from "../support/raw-client.ts";
import { startByHand } from "../system/run-broker.ts";
import { place } from "../system/start-scenarios.ts";
import { until } from "../system/waiting.ts";
import { buildBinary, projectRoot } from "./packages.ts";

const oldest = new Map([
	["x64", ["qemu-x86_64-static", "qemu64,-ssse3,-sse3"]],
	["arm64", ["qemu-aarch64-static", "cortex-a53"]],
]);
const START_MS = 120_000;

t.test("the oldest processor is enough", async (t) => {
	await buildBinary();
	const [qemu = "", model = ""] = oldest.get(process.arch) ?? [];
	const binary = join(projectRoot, `dist/broker-linux-${process.arch}`);
	const data = join(t.testdir(), "data");
	const broker = startByHand(t, ["-cpu", model, binary, ...place(data)], {
		entry: qemu,
	});
	await until(
		() => broker.hasEnded || / is ready;/.test(broker.stderr),
		"the broker is ready",
		START_MS,
	);
	t.match(broker.stderr, / is ready;/);
	t.notMatch(broker.stderr, "own limits", "V8's ceiling can be set");
	const port = await broker.ready();
	for (const clientId of ["first", "second"]) {
		const client = await connectRaw({ port, clientId });
		await client.subscribe("kept/#", 1);
		await client.publish("kept/one", "1", 1, true);
		await until(() => client.messages.length > 0, "a message", START_MS);
		await client.disconnect();
	}
	t.notOk(broker.hasEnded);
});
