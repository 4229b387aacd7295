/**
 * Real client libraries as interop clients. Each runs in a process of its own
 * (so that it can be killed) behind a driver in drivers/, which takes one JSON
 * command per line on stdin and prints one JSON event per line on stdout:
 *
 *   {"op":"connect"|"subscribe"|"publish"|"disconnect","id":N,...}
 *   {"event":"done","id":N,...}  {"event":"failed","id":N,"reason":TEXT}
 *   {"event":"message","topic":T,"payload":TEXT?,"sha256":HEX,"qos":N,"retain":B,"properties":{}}
 */
import { join } from "node:path";
import type { SpawnedBroker, TearDown } from "../support/spawn-broker.ts";
import { PrintingSubscriber } from "./command-line.ts";
import type {
	InteropClient,
	PublishOptions,
	Received,
	SubscribeOptions,
	Version,
} from "./interop-client.ts";
import { Program, requireProgram } from "./program.ts";

const driversFolder = join(import.meta.dirname, "drivers");
const protocolLevels = { "3.1": 3, "3.1.1": 4, "5": 5 } as const;

/** Names are those of the drivers: see drivers/json_lines.py. */
export type Command = { op: string } & Record<string, unknown>;
export type Answer = Record<string, unknown>;

interface DriverEvent extends Record<string, unknown> {
	event: string;
	id?: number;
}

/** One client process with its library. */
export class Driver extends PrintingSubscriber {
	#lastId = 0;
	#scanned = 0;
	readonly #answers = new Map<number, DriverEvent>();
	/** What the answer to `connect` said, for example sessionPresent. */
	connack: Answer = {};

	constructor(t: TearDown, path: string, args: string[]) {
		super(new Program(t, path, args), (line) => {
			const event = parseEvent(line);
			return event?.event === "message"
				? (event as unknown as Received)
				: undefined;
		});
	}

	/** Sends a command and waits for its answer; throws when it failed. */
	async ask(command: Command): Promise<Answer> {
		const id = ++this.#lastId;
		this.program.write(`${JSON.stringify({ ...command, id })}\n`);
		const answer = await this.program.until(`answer to ${command.op}`, () => {
			const { lines } = this.program;
			while (this.#scanned < lines.length) {
				const event = parseEvent(lines[this.#scanned++] ?? "");
				if (event?.id !== undefined) this.#answers.set(event.id, event);
			}
			return this.#answers.get(id);
		});
		if (answer.event !== "done") {
			throw new Error(`${command.op} failed: ${String(answer.reason)}`);
		}
		return answer;
	}

	override async disconnect(): Promise<void> {
		await this.ask({ op: "disconnect" });
		this.program.end();
		await this.program.success();
	}
}

function parseEvent(line: string): DriverEvent | undefined {
	return line.startsWith('{"event"')
		? (JSON.parse(line) as DriverEvent)
		: undefined;
}

export interface DriverClient extends InteropClient {
	/** Starts the process and connects it. */
	connect(
		t: TearDown,
		broker: SpawnedBroker,
		version: Version,
		more?: Record<string, unknown>,
	): Promise<Driver>;
}

type Transport = "tcp" | "ws";

function driverClient(
	name: string,
	transport: Transport,
	versions: readonly Version[],
	command: () => [string, ...string[]],
	limits: Partial<InteropClient> = {},
): DriverClient {
	const connect: DriverClient["connect"] = async (t, broker, version, more) => {
		const [path, ...args] = command();
		const driver = new Driver(t, path, args);
		driver.connack = await driver.ask({
			op: "connect",
			host: "127.0.0.1",
			port: transport === "tcp" ? broker.port : broker.wsPort,
			transport,
			version: protocolLevels[version],
			clientId: "",
			clean: true,
			...more,
		});
		return driver;
	};
	return {
		name: `${name} over ${transport}`,
		transport,
		versions,
		keepsSessions: true,
		...limits,
		connect,
		async subscribe(t, broker, options: SubscribeOptions) {
			const driver = await connect(t, broker, options.version, {
				clientId: options.clientId,
				clean: !options.persistent,
				sessionExpiry: options.persistent ? 3600 : 0,
				...(options.will === undefined ? {} : { will: options.will }),
			});
			const { filters, qos } = options;
			await driver.ask({ op: "subscribe", filters, qos });
			return driver;
		},
		async publish(t, broker, options: PublishOptions) {
			const driver = await connect(t, broker, options.version, {
				clientId: "publisher",
			});
			const { topic, qos, retain = false, payloads = [], file } = options;
			await driver.ask({
				op: "publish",
				topic,
				qos,
				retain,
				...(file === undefined ? { payloads } : { file }),
			});
			await driver.disconnect();
		},
	};
}

const allVersions: readonly Version[] = ["3.1", "3.1.1", "5"];

/** Python Paho as Debian packages it, run by Debian's Python. */
export function pahoPython(transport: Transport): DriverClient {
	return driverClient(
		"Python Paho",
		transport,
		allVersions,
		() => [
			requireProgram("python3", "python3 python3-paho-mqtt"),
			join(driversFolder, "paho_python.py"),
		],
		// Version 1.6 forgets the rest of a WebSocket frame that the socket took in part.
		transport === "ws" ? { cannotSendLarge: true } : {},
	);
}

/** The synchronous Paho C library, called from Python without a compiler. */
export function pahoCLibrary(): DriverClient {
	return driverClient("the Paho C library", "tcp", allVersions, () => [
		requireProgram("python3", "python3"),
		join(driversFolder, "paho_c.py"),
	]);
}

export function mqttJs(
	transport: Transport,
	versions: readonly Version[],
): DriverClient {
	return driverClient("MQTT.js", transport, versions, () => [
		process.execPath,
		join(driversFolder, "mqtt-js.ts"),
	]);
}
