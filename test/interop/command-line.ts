/**
 * The command line programs as interop clients: mosquitto_pub/mosquitto_sub
 * and Paho C's paho_c_pub/paho_c_sub (asynchronous library) and
 * paho_cs_pub/paho_cs_sub (synchronous library).
 */
import type { SpawnedBroker, TearDown } from "../support/spawn-broker.ts";
import {
	type InteropClient,
	type PublishOptions,
	type Received,
	type SubscribeOptions,
	type Subscriber,
	textMessage,
} from "./interop-client.ts";
import { Program, requireProgram } from "./program.ts";

const mosquittoPackage = "mosquitto-clients";
const pahoPackage = "paho.mqtt.c-examples";

const versionWords = { "3.1": "mqttv31", "3.1.1": "mqttv311", "5": "mqttv5" };

/** A subscriber that is a program printing one line per message. */
export class PrintingSubscriber implements Subscriber {
	readonly program: Program;
	readonly #parse: (line: string) => Received | undefined;
	readonly #received: Received[] = [];
	#linesRead = 0;

	constructor(program: Program, parse: (line: string) => Received | undefined) {
		this.program = program;
		this.#parse = parse;
	}

	get received(): readonly Received[] {
		const { lines } = this.program;
		while (this.#linesRead < lines.length) {
			const message = this.#parse(lines[this.#linesRead++] ?? "");
			if (message !== undefined) this.#received.push(message);
		}
		return this.#received;
	}

	untilReceived(count: number): Promise<readonly Received[]> {
		return this.program.until(`${count} messages`, () =>
			this.received.length >= count ? this.received : undefined,
		);
	}

	disconnect(): Promise<void> {
		return this.program.kill("SIGTERM");
	}

	crash(): Promise<void> {
		return this.program.kill("SIGKILL");
	}
}

function parseMosquitto(line: string): Received | undefined {
	const found = /^MESSAGE ([012]) ([01]) (\S+) (.*)$/.exec(line);
	if (found === null) return undefined;
	const [, qos, retain, topic = "", payload = ""] = found;
	return textMessage(topic, payload, {
		qos: Number(qos),
		retain: retain === "1",
	});
}

/** Starts mosquitto_sub with more arguments and waits for its SUBACK. */
export async function mosquittoSub(
	t: TearDown,
	broker: SpawnedBroker,
	options: SubscribeOptions,
	more: string[] = [],
): Promise<PrintingSubscriber> {
	const path = requireProgram("mosquitto_sub", mosquittoPackage);
	const args = mosquittoCommon(broker, options.version);
	args.push("-d", "-i", options.clientId, "-q", String(options.qos));
	for (const filter of options.filters) args.push("-t", filter);
	if (options.persistent) args.push("-c");
	if (options.will !== undefined) {
		const { topic, payload, qos } = options.will;
		args.push("--will-topic", topic, "--will-payload", payload);
		args.push("--will-qos", String(qos));
	}
	if (!more.includes("-F")) args.push("-F", "MESSAGE %q %r %t %p");
	const program = lineBuffered(t, path, [...args, ...more]);
	await program.untilLine(/^Subscribed \(mid/);
	return new PrintingSubscriber(program, parseMosquitto);
}

/** Runs mosquitto_pub with more arguments to its end. */
export async function mosquittoPub(
	t: TearDown,
	broker: SpawnedBroker,
	options: PublishOptions,
	more: string[] = [],
): Promise<void> {
	const path = requireProgram("mosquitto_pub", mosquittoPackage);
	const args = mosquittoCommon(broker, options.version);
	args.push("-t", options.topic, "-q", String(options.qos));
	if (options.retain) args.push("-r");
	const payloads = options.payloads ?? [];
	const empty = payloads.length === 1 && payloads[0] === "";
	if (options.file !== undefined) args.push("-f", options.file);
	else args.push(empty ? "-n" : "-l");
	const program = new Program(t, path, [...args, ...more]);
	program.end(empty ? "" : payloads.map((one) => `${one}\n`).join(""));
	await program.success();
}

export function mosquittoRr(
	t: TearDown,
	broker: SpawnedBroker,
	args: string[],
): Program {
	const path = requireProgram("mosquitto_rr", mosquittoPackage);
	return lineBuffered(t, path, [...mosquittoCommon(broker, "5"), ...args]);
}

/** The C library would keep lines back until a pipe's buffer is full; stdbuf replaces itself by the program. */
function lineBuffered(t: TearDown, path: string, args: string[]): Program {
	const stdbuf = requireProgram("stdbuf", "coreutils");
	return new Program(t, stdbuf, ["-oL", path, ...args]);
}

function mosquittoCommon(
	broker: SpawnedBroker,
	version: SubscribeOptions["version"],
): string[] {
	return [
		"-h",
		"127.0.0.1",
		"-p",
		String(broker.port),
		"-V",
		versionWords[version],
	];
}

export const mosquittoClients: InteropClient = {
	name: "mosquitto_pub and mosquitto_sub",
	transport: "tcp",
	versions: ["3.1", "3.1.1", "5"],
	keepsSessions: true,
	leavesWithWill: true,
	subscribe: mosquittoSub,
	publish: mosquittoPub,
};

/** Paho C's programs; `ws` connects over WebSocket instead of TCP. */
export function pahoClients(
	library: "c" | "cs",
	transport: "tcp" | "ws",
	versions: InteropClient["versions"],
): InteropClient {
	return {
		name: `paho_${library}_pub and paho_${library}_sub over ${transport}`,
		transport,
		versions,
		// The programs always ask for a clean session.
		keepsSessions: false,
		subscribe: async (t, broker, options) => {
			const args = pahoCommon(broker, transport, options.version);
			args.push("-t", options.filters.join(""), "-i", options.clientId);
			args.push("-q", String(options.qos), "-v");
			if (options.will !== undefined) {
				const { topic, payload, qos } = options.will;
				args.push("--will-topic", topic, "--will-payload", payload);
				args.push("--will-qos", String(qos));
			}
			const path = requireProgram(`paho_${library}_sub`, pahoPackage);
			const program = new Program(t, path, args);
			await program.untilLine(/ <- SUBACK /);
			return new PrintingSubscriber(program, parsePaho);
		},
		publish: (t, broker, options) =>
			pahoPublish(t, broker, library, transport, options),
	};
}

function parsePaho(line: string): Received | undefined {
	const found = /^(?:\d+ )?(\S+)\t(.*)$/.exec(line);
	if (found === null) return undefined;
	return textMessage(found[1] ?? "", found[2] ?? "");
}

async function pahoPublish(
	t: TearDown,
	broker: SpawnedBroker,
	library: "c" | "cs",
	transport: "tcp" | "ws",
	options: PublishOptions,
): Promise<void> {
	const args = pahoCommon(broker, transport, options.version);
	args.push("-t", options.topic, "-q", String(options.qos));
	args.push("-i", `paho-${library}-publisher`);
	if (options.retain) args.push("-r");
	const payloads = options.payloads ?? [];
	const [only] = payloads;
	const path = requireProgram(`paho_${library}_pub`, pahoPackage);
	if (options.file !== undefined) args.push("-f", options.file);
	else if (only === "") args.push("-n");
	else if (payloads.length === 1) args.push("-m", only ?? "");
	const program = new Program(t, path, args);
	if (payloads.length <= 1) return program.success();
	// Neither program minds the end of its input well (one publishes rubbish
	// then), so the input stays open and the acknowledgements are counted.
	program.write(payloads.map((one) => `${one}\n`).join(""));
	const sign = [/ -> PUBLISH /, / <- PUBACK /, / <- PUBCOMP /][options.qos];
	await program.until(
		`${payloads.length} acknowledgements`,
		() =>
			program.lines.filter((line) => sign?.test(line)).length >=
				payloads.length || undefined,
	);
	await program.kill();
}

function pahoCommon(
	broker: SpawnedBroker,
	transport: "tcp" | "ws",
	version: SubscribeOptions["version"],
): string[] {
	const address =
		transport === "tcp"
			? ["-h", "127.0.0.1", "-p", String(broker.port)]
			: ["-c", `ws://127.0.0.1:${broker.wsPort}/mqtt`];
	return [...address, "-V", versionWords[version], "--trace", "protocol"];
}
