/**
 * A command's end of the admin socket: finds the running broker, asks, and puts what goes
 * wrong into words.
 */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type LoadOptions, loadWithMistakes } from "../config/config.ts";
import { type AdminConnection, CommandFailure } from "../platform/command.ts";

/** No broker answers; EX_UNAVAILABLE of sysexits(3). */
const UNAVAILABLE = 69;
const PING_TIMEOUT_MS = 5000;
/** The broker gives up first. */
const ANSWER_TIMEOUT_MS = 60_000;
/** Where the packaged service has its socket, whatever the shell of the caller says. */
const SERVICE_SOCKETS = [
	"/run/broker/admin.sock",
	"/var/lib/broker/admin.sock",
];

export interface SocketPlaces {
	/** In the order in which they are tried. */
	readonly paths: readonly string[];
	/** Only a broker with this data_dir is meant; null for any. */
	readonly dataDir: string | null;
}

/**
 * Where the running broker may listen, by the same configuration that it reads.
 * @param socket `--socket PATH`
 * @throws CommandFailure when the configuration says that there is no socket
 */
export function socketPlaces(
	options: LoadOptions,
	socket: string | undefined,
): SocketPlaces {
	if (socket !== undefined) return { paths: [socket], dataDir: null };
	const { config } = loadWithMistakes(options);
	const own = config.settings["admin.socket"];
	if (config.entries.has("admin.socket")) {
		if (own !== "") return { paths: [own], dataDir: null };
		throw new CommandFailure(
			"there is no admin socket: admin.socket is off in the configuration",
			UNAVAILABLE,
		);
	}
	const isChosen = config.origins.get("data_dir")?.kind !== "default";
	return {
		paths: [...new Set([own, ...SERVICE_SOCKETS])],
		dataDir: isChosen ? config.settings.data_dir : null,
	};
}

export class AdminClient implements AdminConnection {
	readonly #places: () => SocketPlaces;
	#path: string | null = null;

	/** @param places asked when the first request is made */
	constructor(places: () => SocketPlaces) {
		this.#places = places;
	}

	async ask(method: string, path: string, body?: unknown): Promise<unknown> {
		const response = await this.open(method, path, body);
		const answer = JSON.parse(await textOf(response));
		// What takes long has said that it is well before it failed.
		if (typeof answer?.error === "string")
			throw new CommandFailure(answer.error);
		return answer;
	}

	/**
	 * As {@link ask}, for an answer that is read as it comes.
	 * @throws CommandFailure when it is a refusal
	 */
	async open(
		method: string,
		path: string,
		body?: unknown,
	): Promise<IncomingMessage> {
		this.#path ??= await this.find();
		const response = await send(
			this.#path,
			{ method, path, body },
			ANSWER_TIMEOUT_MS,
		);
		if (response.statusCode === 200) return response;
		const { error, ...details } = JSON.parse(await textOf(response));
		throw new CommandFailure(String(error), 1, details);
	}

	/** @returns the socket that a broker answers on */
	async find(): Promise<string> {
		const { paths, dataDir } = this.#places();
		const tried: string[] = [];
		for (const path of paths) {
			try {
				const answer = await send(
					path,
					{ method: "GET", path: "/ping" },
					PING_TIMEOUT_MS,
				);
				const about = JSON.parse(await textOf(answer));
				if (dataDir === null || about.dataDir === dataDir) return path;
				tried.push(
					`${path} (that broker has its state in ${about.dataDir}, not ${dataDir})`,
				);
			} catch (error) {
				tried.push(`${path} (${reasonOf(error)})`);
			}
		}
		throw new CommandFailure(
			`no broker answers; tried ${tried.join(", ")}. Start it, or say which one is meant: -c FILE as it was started with, or --socket PATH`,
			UNAVAILABLE,
		);
	}
}

interface Request {
	readonly method: string;
	readonly path: string;
	readonly body?: unknown;
}

async function send(
	socketPath: string,
	{ method, path, body }: Request,
	timeoutMs: number,
): Promise<IncomingMessage> {
	const text = body === undefined ? "" : JSON.stringify(body);
	const sent = request({
		socketPath,
		method,
		path,
		agent: false,
		headers: { "content-length": Buffer.byteLength(text) },
		timeout: timeoutMs,
	});
	sent.once("timeout", () => {
		const words = `the broker on ${socketPath} does not answer within ${timeoutMs / 1000} s`;
		sent.destroy(new CommandFailure(words, UNAVAILABLE));
	});
	sent.end(text);
	const [response] = await once(sent, "response");
	return response;
}

async function textOf(response: IncomingMessage): Promise<string> {
	const chunks: Buffer[] = [];
	for await (const chunk of response) chunks.push(chunk);
	return Buffer.concat(chunks).toString();
}

function reasonOf(error: unknown): string {
	const code =
		error instanceof Error && "code" in error ? String(error.code) : "";
	switch (code) {
		case "ENOENT":
			return "there is no such file";
		case "ECONNREFUSED":
			return "left behind by a broker that is gone";
		case "EACCES":
		case "EPERM":
			return "not for this user: become root or a member of its group";
		case "ENOTSOCK":
			return "is no socket";
		default:
			return error instanceof Error ? error.message : String(error);
	}
}
