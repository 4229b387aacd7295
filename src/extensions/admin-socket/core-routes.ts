/** What the admin socket answers to, beside the routes that other extensions bring. */
import {
	AdminRefusal,
	type AdminRequest,
	type AdminRoute,
	type BrokerApi,
	type StateFile,
	type StatusLines,
} from "../../broker/broker-api.ts";
import { inBytes } from "../../platform/words.ts";

const DEFAULT_PAGE = 20;
const LARGEST_PAGE = 1000;
/** A removal that is not on disk by then is answered nevertheless. */
const REMOVAL_WAIT_MS = 10_000;

export function coreRoutes(broker: BrokerApi): AdminRoute[] {
	return [
		{
			method: "GET",
			path: "/routes",
			summary: "this list",
			handle: () =>
				broker.routes.all.map(({ method, path, summary }) => ({
					method,
					path,
					summary,
				})),
		},
		{
			method: "GET",
			path: "/ping",
			summary: "who answers here",
			handle: () => {
				const { version, pid, uptimeSeconds, dataDir } = broker.status;
				return { version, pid, uptimeSeconds, dataDir };
			},
		},
		{
			method: "GET",
			path: "/status",
			summary: "how the broker is doing",
			handle: () => describeStatus(broker),
		},
		{
			method: "POST",
			path: "/reload",
			summary: "read the configuration again",
			handle: () => reload(broker),
		},
		{
			method: "GET",
			path: "/sessions",
			summary: "sessions, the largest first: ?limit=20&after=NEXT",
			handle: (request) => listSessions(broker, request),
		},
		{
			method: "DELETE",
			path: "/sessions/:id",
			summary: "end a session: its queue and subscriptions go",
			handle: ({ parameters }) => removeSession(broker, parameters.id ?? ""),
		},
	];
}

async function describeStatus(broker: BrokerApi): Promise<unknown> {
	const { status } = broker;
	const file = await broker.stateCopy.file();
	const figures = broker.statusParts.map((part) => [part.name, part.figures()]);
	const { topicWrites: _, ...store } = status.store; // a table, not a figure
	return {
		...status,
		store,
		// A budget knows its parent, and so on up.
		budgets: status.budgets.map(({ name, used, peak, limit, key }) => ({
			name,
			bytes: used,
			peakBytes: peak,
			limitBytes: limit,
			key,
		})),
		file,
		extensions: Object.fromEntries(figures),
		lines: [...broker.statusLines, ...fileLines(file)],
	};
}

function fileLines(file: StateFile | null): StatusLines[] {
	if (file === null) return [];
	const { path, bytes, logBytes } = file;
	return [
		["database", `${path}, ${inBytes(bytes)}, its log ${inBytes(logBytes)}`],
	];
}

async function reload(broker: BrokerApi): Promise<unknown> {
	const report = await broker.reload();
	const { length } = report.mistakes;
	if (length === 0) return report;
	const count = length === 1 ? "a mistake" : `${length} mistakes`;
	throw new AdminRefusal(
		422,
		`the configuration has ${count}; nothing was changed`,
		{ ...report },
	);
}

function listSessions(
	broker: BrokerApi,
	{ query }: AdminRequest,
): Promise<unknown> {
	const limit = Number(query.get("limit") ?? DEFAULT_PAGE);
	if (!Number.isInteger(limit) || limit < 1 || limit > LARGEST_PAGE)
		throw new AdminRefusal(
			400,
			`limit is a whole number from 1 to ${LARGEST_PAGE}`,
		);
	const after = query.get("after");
	if (after !== null && !/^\d+:/.test(after))
		throw new AdminRefusal(400, "after is the `next` of the page before");
	return broker.listSessions(limit, after);
}

async function removeSession(
	broker: BrokerApi,
	clientId: string,
): Promise<unknown> {
	const removal = broker.removeSession(clientId);
	if (removal === null)
		throw new AdminRefusal(
			404,
			`there is no session of a client "${clientId}"`,
		);
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<boolean>((resolve) => {
		timer = setTimeout(() => resolve(false), REMOVAL_WAIT_MS);
	});
	const isDurable = await Promise.race([removal.then(() => true), late]);
	clearTimeout(timer);
	return { clientId, isDurable };
}
