import { note, ok, warning } from "./finding.ts";
import { type Check, editUnit, type Situation, setKey } from "./situation.ts";

/** Files, the database, listeners, the runtime itself. */
const OWN_DESCRIPTORS = 64;

/** Whether the system allows as many connections as the configuration does. */
export const descriptors: Check = {
	subject: "file descriptors",
	async look(situation) {
		const limit = await limitOf(situation);
		if (limit === null)
			return [
				note(
					"descriptors-not-visible",
					"how many files the broker may have open is not visible to you",
					{ fix: "sudo broker doctor" },
				),
			];
		const { max_connections: wanted } = situation.config.settings;
		const allowed = limit.value - OWN_DESCRIPTORS;
		const head = `${limit.of} may have ${limit.value} files open`;
		if (wanted <= allowed || limit.value === Number.POSITIVE_INFINITY)
			return [ok("descriptors", `${head}; max_connections is ${wanted}`)];
		const used = situation.running?.connections ?? 0;
		const isClose = used > allowed / 2;
		const make = isClose ? warning : note;
		return [
			make(
				"descriptors-low",
				`${head}, which is room for about ${Math.max(0, allowed)} connections; max_connections is ${wanted}, and ${used} are connected now`,
				{
					why: "beyond that, new connections are closed",
					fix:
						situation.unit === null
							? setKey(situation, "max_connections", String(allowed))
							: editUnit(situation, `LimitNOFILE=${wanted + 1000}`),
				},
			),
		];
	},
};

/** The hard limit: the runtime raises its soft one to it. */
async function limitOf({
	machine,
	running,
	unit,
}: Situation): Promise<{ value: number; of: string } | null> {
	if (running === null && unit?.LimitNOFILE !== undefined)
		return { value: parse(unit.LimitNOFILE), of: "the service" };
	const process = running === null ? "self" : running.pid;
	const { value: text } = await machine.text(`/proc/${process}/limits`);
	const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(text ?? "")?.[1];
	if (hard === undefined) return null;
	const of =
		running === null
			? "what is started from here"
			: `the broker (pid ${running.pid})`;
	return { value: parse(hard), of };
}

function parse(text: string): number {
	const value = Number(text);
	return Number.isInteger(value) ? value : Number.POSITIVE_INFINITY;
}
