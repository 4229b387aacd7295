/**
 * Paho C against the broker: its command line programs (asynchronous and
 * synchronous library, TCP and WebSocket) and, for what the programs cannot do,
 * the synchronous library itself behind a driver.
 */
import t from "tap";
import { spawnBroker } from "../support/spawn-broker.ts";
import { mosquittoSub, pahoClients } from "./command-line.ts";
import { pahoCLibrary } from "./driver-client.ts";
import { Program, requireProgram } from "./program.ts";
import { interopConfig, runScenarios } from "./scenarios.ts";

runScenarios(pahoClients("c", "tcp", ["3.1", "3.1.1", "5"]));
runScenarios(pahoClients("cs", "tcp", ["3.1", "3.1.1", "5"]));
runScenarios(pahoClients("c", "ws", ["3.1.1", "5"]));
runScenarios(pahoCLibrary());

t.test("forwards expiry and user property of paho_c_pub", async (t) => {
	const broker = await spawnBroker(t, { config: interopConfig });
	const reader = await mosquittoSub(
		t,
		broker,
		{ version: "5", clientId: "reader", filters: ["props"], qos: 1 },
		["-F", "%P|%E|%p"],
	);
	for (const name of ["paho_c_pub", "paho_cs_pub"]) {
		const path = requireProgram(name, "paho.mqtt.c-examples");
		const program = new Program(t, path, [
			...`-h 127.0.0.1 -p ${broker.port} -V 5 -t props -q 1`.split(" "),
			...`-m ${name} --message-expiry 600`.split(" "),
			...`--user-property colour blue`.split(" "),
		]);
		await program.success();
		const pattern = new RegExp(`^colour:blue\\|(\\d+)\\|${name}$`);
		const line = await reader.program.untilLine(pattern);
		const left = Number(pattern.exec(line)?.[1]);
		t.ok(left > 500 && left <= 600, `${left} s are left of 600 s`);
	}
	await reader.disconnect();
});
