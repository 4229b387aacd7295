/**
 * The one table of what can be asked on the local admin socket. The core's routes and
 * those of extensions are added here; whoever serves the socket looks them up. Main
 * thread only; knows nothing of HTTP's bytes.
 */
import type { Readable } from "node:stream";

export interface AdminRequest {
	/** Parts of the path by name: `id` of `/sessions/:id`. */
	readonly parameters: Readonly<Record<string, string>>;
	readonly query: URLSearchParams;
	/** The JSON that came with it; null for none. */
	readonly body: unknown;
}

export interface AdminRoute {
	readonly method: "GET" | "POST" | "PUT" | "DELETE";
	/** `/sessions/:id`; a part that begins with a colon stands for any text. */
	readonly path: string;
	/** One line for whoever looks at the list of routes. */
	readonly summary: string;
	/** How long {@link handle} may take; 30 s when absent. */
	readonly timeoutMs?: number;
	/**
	 * It may take minutes: the answer begins at once, with white space, and a refusal is an
	 * `error` in it then, not a status.
	 */
	readonly isLong?: boolean;
	/**
	 * @returns what is sent as JSON, or an {@link AdminDownload}
	 * @throws AdminRefusal for what is the asker's fault or cannot be done now
	 */
	handle(request: AdminRequest): unknown;
}

/** An answer that is not JSON: bytes, read once. */
export class AdminDownload {
	readonly stream: Readable;
	readonly bytes: number;

	constructor(stream: Readable, bytes: number) {
		this.stream = stream;
		this.bytes = bytes;
	}
}

/** What was asked for is not done; the message says why, in words for a person. */
export class AdminRefusal extends Error {
	override readonly name = "AdminRefusal";
	/** Of HTTP: 400, 404, 409 ... */
	readonly status: number;
	/** Goes into the answer beside `error`. */
	readonly details: Readonly<Record<string, unknown>>;

	constructor(
		status: number,
		words: string,
		details: Readonly<Record<string, unknown>> = {},
	) {
		super(words);
		this.status = status;
		this.details = details;
	}
}

export interface FoundRoute {
	readonly route: AdminRoute;
	readonly parameters: Readonly<Record<string, string>>;
}

export class AdminRoutes {
	readonly #routes: AdminRoute[] = [];

	get all(): readonly AdminRoute[] {
		return this.#routes;
	}

	/** @throws Error when the route is there already: two extensions want the same one */
	add(route: AdminRoute): () => void {
		const { method, path } = route;
		if (this.#routes.some((one) => one.method === method && one.path === path))
			throw new Error(`two routes are called ${method} ${path}`);
		this.#routes.push(route);
		return () => {
			const index = this.#routes.indexOf(route);
			if (index >= 0) this.#routes.splice(index, 1);
		};
	}

	/**
	 * @param path as it was sent, without the query
	 * @throws AdminRefusal when there is none
	 */
	find(method: string, path: string): FoundRoute {
		const parts = splitPath(path);
		const allowed: string[] = [];
		for (const route of this.#routes) {
			const parameters = matchParts(splitPath(route.path), parts);
			if (parameters === null) continue;
			if (route.method === method) return { route, parameters };
			allowed.push(route.method);
		}
		if (allowed.length > 0)
			throw new AdminRefusal(
				405,
				`${path} takes ${allowed.join(" or ")}, not ${method}`,
			);
		throw new AdminRefusal(
			404,
			`there is no ${method} ${path}; GET /routes lists what there is`,
		);
	}
}

function splitPath(path: string): string[] {
	return path.split("/").slice(1);
}

/** @returns the named parts, or null when the path is another one */
function matchParts(
	pattern: readonly string[],
	parts: readonly string[],
): Record<string, string> | null {
	if (pattern.length !== parts.length) return null;
	const parameters: Record<string, string> = {};
	for (const [index, wanted] of pattern.entries()) {
		const part = parts[index] ?? "";
		if (wanted.startsWith(":")) parameters[wanted.slice(1)] = decode(part);
		else if (wanted !== part) return null;
	}
	return parameters;
}

function decode(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		throw new AdminRefusal(400, `${part} is not percent-encoded UTF-8`);
	}
}
