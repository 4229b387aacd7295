/**
 * HTTP on the admin socket: reads a request, looks its route up, writes the answer.
 * Everything is bounded: connections, headers, bodies, and the time of each.
 */
import {
	createServer,
	type IncomingMessage,
	type Server,
	type ServerResponse,
} from "node:http";
import { pipeline } from "node:stream/promises";
import {
	AdminDownload,
	AdminRefusal,
	type AdminRoute,
	type AdminRoutes,
} from "../../broker/broker-api.ts";
import { listenOnFile } from "./socket-file.ts";

const MAX_CONNECTIONS = 32;
/** A client id in a path: up to 64 KB, three characters for each byte. */
const MAX_HEADER_BYTES = 256 * 1024;
const MAX_BODY_BYTES = 256 * 1024;
/** For a whole request to arrive. */
const REQUEST_TIMEOUT_MS = 10_000;
/** A connection on which nothing moves, neither way. */
const IDLE_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 30_000;
/** An answer that takes long says that it is being worked on. */
const SIGN_OF_LIFE_MS = 10_000;

export class AdminServer {
	readonly #routes: AdminRoutes;
	readonly #onFailure: (error: Error) => void;
	readonly #server: Server;

	/** @param onFailure told of what is neither the asker's fault nor foreseen */
	constructor(routes: AdminRoutes, onFailure: (error: Error) => void) {
		this.#routes = routes;
		this.#onFailure = onFailure;
		this.#server = createServer(
			{
				maxHeaderSize: MAX_HEADER_BYTES,
				headersTimeout: REQUEST_TIMEOUT_MS,
				requestTimeout: REQUEST_TIMEOUT_MS,
				keepAliveTimeout: REQUEST_TIMEOUT_MS,
				connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 2,
			},
			(request, response) => void this.#serve(request, response),
		);
		this.#server.maxConnections = MAX_CONNECTIONS;
		this.#server.timeout = IDLE_TIMEOUT_MS;
	}

	/** @throws Error in words when the file cannot be made */
	async listen(path: string): Promise<void> {
		await listenOnFile(this.#server, path);
		this.#server.on("error", this.#onFailure);
	}

	/** Ends what is under way; the file is gone afterwards. */
	close(): Promise<void> {
		return new Promise((resolve) => {
			this.#server.close(() => resolve());
			this.#server.closeAllConnections();
		});
	}

	async #serve(
		request: IncomingMessage,
		response: ServerResponse,
	): Promise<void> {
		try {
			const answer = await this.#answer(request, response);
			if (response.headersSent) return;
			if (answer instanceof AdminDownload) await sendBytes(response, answer);
			else sendJson(response, 200, answer ?? {});
		} catch (error) {
			if (response.headersSent) response.destroy();
			else this.#sendError(response, error);
		}
	}

	async #answer(
		request: IncomingMessage,
		response: ServerResponse,
	): Promise<unknown> {
		const { method = "GET", url = "/" } = request;
		const mark = url.indexOf("?");
		const path = mark < 0 ? url : url.slice(0, mark);
		const query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
		const { route, parameters } = this.#routes.find(method, path);
		const body = await readBody(request);
		const answer = route.handle({ parameters, query, body });
		if (!route.isLong) return inTime(route, answer);
		return sendSlowly(response, answer, this.#onFailure);
	}

	#sendError(response: ServerResponse, error: unknown): void {
		if (error instanceof AdminRefusal) {
			const { status, message, details } = error;
			// What has not been read of a request would be taken for the next one.
			response.setHeader("connection", "close");
			sendJson(response, status, { error: message, ...details });
			return;
		}
		const failure = error instanceof Error ? error : new Error(String(error));
		this.#onFailure(failure);
		sendJson(response, 500, {
			error: `the broker failed: ${failure.message}; its log says more`,
		});
	}
}

/** White space, for as long as it takes, then the answer or what it fails with, as JSON. */
async function sendSlowly(
	response: ServerResponse,
	answer: unknown,
	onFailure: (error: Error) => void,
): Promise<void> {
	response.writeHead(200, { "content-type": "application/json" });
	response.write(" ");
	const sign = setInterval(() => response.write(" "), SIGN_OF_LIFE_MS);
	try {
		response.end(`${JSON.stringify(await answer)}\n`);
	} catch (error) {
		const { message } = error as Error;
		if (!(error instanceof AdminRefusal)) onFailure(error as Error);
		response.end(`${JSON.stringify({ error: message })}\n`);
	} finally {
		clearInterval(sign);
	}
}

/** What a handler gives, or a refusal when it takes too long; it goes on then. */
async function inTime(route: AdminRoute, answer: unknown): Promise<unknown> {
	const { method, path, timeoutMs = ANSWER_TIMEOUT_MS } = route;
	if (timeoutMs === Number.POSITIVE_INFINITY) return answer;
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise((_, reject) => {
		timer = setTimeout(
			() =>
				reject(
					new AdminRefusal(
						504,
						`${method} ${path} is not done after ${timeoutMs / 1000} s; it goes on`,
					),
				),
			timeoutMs,
		);
	});
	try {
		return await Promise.race([answer, late]);
	} finally {
		clearTimeout(timer);
	}
}

async function readBody(request: IncomingMessage): Promise<unknown> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of request) {
		bytes += chunk.length;
		if (bytes > MAX_BODY_BYTES)
			throw new AdminRefusal(
				413,
				`the body of a request has at most ${MAX_BODY_BYTES} bytes`,
			);
		chunks.push(chunk);
	}
	if (bytes === 0) return null;
	try {
		return JSON.parse(Buffer.concat(chunks).toString());
	} catch (error) {
		throw new AdminRefusal(
			400,
			`the body is not JSON: ${(error as Error).message}`,
		);
	}
}

function sendJson(
	response: ServerResponse,
	status: number,
	value: unknown,
): void {
	const text = `${JSON.stringify(value, null, "\t")}\n`;
	response.writeHead(status, {
		"content-type": "application/json",
		"content-length": Buffer.byteLength(text),
	});
	response.end(text);
}

/** @throws whatever the stream fails with; the connection is of no use then */
async function sendBytes(
	response: ServerResponse,
	{ stream, bytes }: AdminDownload,
): Promise<void> {
	response.writeHead(200, {
		"content-type": "application/octet-stream",
		"content-length": bytes,
	});
	await pipeline(stream, response);
}
