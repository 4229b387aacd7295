/** Many connections: idle ones cost little, and their arrival disturbs nobody. */
import { readFileSync } from "node:fs";
import t from "tap";
import { spawnBroker } from "../support/spawn-broker.ts";
import { connectCrowd, dismiss } from "./crowd.ts";
import { inMiB, MIB, rssBytes } from "./memory.ts";
import { checkNoticed, startProbe } from "./probe.ts";
import { quantile, until } from "./waiting.ts";

const IDLE = 10_000;
const AT_ONCE = 1000;
/** What an idle connection may cost in memory, sockets of the system not counted. */
const BYTES_PER_CONNECTION = 16 * 1024;

const limits = {
	"listener.max_connections": "15000",
	"log.class.access": "warning",
};

t.before(() => {
	const text = readFileSync("/proc/self/limits", "latin1");
	const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(text)?.[1];
	if (hard !== undefined && Number(hard) < IDLE + AT_ONCE + 100) {
		throw new Error(
			`this test opens ${IDLE + AT_ONCE} connections and the system allows ${hard} files: raise it with ulimit -n ${IDLE + AT_ONCE + 1000}`,
		);
	}
});

t.test(`${IDLE} idle connections, then ${AT_ONCE} at once`, async (t) => {
	const broker = await spawnBroker(t, { config: limits });
	const { port, pid } = broker;
	const before = rssBytes(pid);

	const arriving = await startProbe(t, port);
	const startMs = performance.now();
	const idle = await connectCrowd(port, IDLE, 500, "idle");
	const seconds = (performance.now() - startMs) / 1000;
	t.comment(`${IDLE} connections in ${seconds.toFixed(1)} s`);
	checkNoticed(t, await arriving.result());

	const perConnection = (rssBytes(pid) - before) / IDLE;
	t.comment(`${Math.round(perConnection)} bytes per idle connection`);
	t.ok(perConnection < BYTES_PER_CONNECTION, `${perConnection} bytes each`);

	const storm = await startProbe(t, port);
	const stormMs = performance.now();
	const more = await connectCrowd(port, AT_ONCE, AT_ONCE, "at-once");
	t.comment(
		`${AT_ONCE} at once: ${(performance.now() - stormMs).toFixed(0)} ms`,
	);
	checkNoticed(t, await storm.result());

	const pings: number[] = [];
	for (const client of [...idle.slice(0, 50), ...more.slice(0, 50)]) {
		pings.push(await client.ping());
	}
	t.ok(quantile(pings, 0.5) < 50, "the idle ones are answered as well");
	t.ok(
		idle.every(({ isClosed }) => !isClosed),
		"nobody was disconnected",
	);

	const leaving = await startProbe(t, port);
	await dismiss([...idle, ...more]);
	checkNoticed(t, await leaving.result());
	t.comment(`memory ${inMiB(before)} before, ${inMiB(rssBytes(pid))} after`);
	t.ok(rssBytes(pid) - before < 200 * MIB, "memory stays bounded");
	t.equal(await broker.stop(), 0);
});

t.test(
	"connections above listener.max_connections are closed, the others stay",
	async (t) => {
		const broker = await spawnBroker(t, {
			config: { "listener.max_connections": "100" },
		});
		const { port } = broker;
		const clients = await connectCrowd(port, 100, 100, "in");
		const refused = await Promise.allSettled(
			Array.from({ length: 20 }, (_, index) =>
				connectCrowd(port, 1, 1, `out-${index}`),
			),
		);
		t.ok(refused.every(({ status }) => status === "rejected"));
		const lines = broker
			.stderr()
			.split("\n")
			.filter((line) => line.includes("max_connections"));
		t.ok(lines.length >= 1 && lines.length <= 2, "said once, not 20 times");
		t.match(lines[0], "listener.tcp.default.max_connections");
		for (const client of clients) await client.ping();
		await dismiss(clients.slice(0, 1));
		// The broker may learn of the close after the client does.
		const isLetIn = () =>
			connectCrowd(port, 1, 1, "again").then(
				([again]) => again?.ping().then(() => true) ?? false,
				() => false,
			);
		await until(isLetIn, "somebody gets the free place");
	},
);
