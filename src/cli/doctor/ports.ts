import { isIP } from "node:net";
import type { ListenerSettings } from "../../config/config.ts";
import {
	isInTheWay,
	listeningSockets,
	type PortHolder,
} from "../../transport/port-holder.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { type Check, editUnit, restart, type Situation } from "./situation.ts";

const FIRST_UNPRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/** The address of every interface, and those that each machine has. */
const EVERYWHERE = /^(0\.0\.0\.0|::|::1|127\..*)$/;
const BIND = "CAP_NET_BIND_SERVICE";

interface Place {
	readonly host: string;
	readonly port: number;
	/** The key that says it: `listener.tcp.default`. */
	readonly key: string;
}

/** Whether the broker has its ports, or could have them. */
export const ports: Check = {
	subject: "ports",
	async look(situation) {
		const places = situation.config.listeners.flatMap(placesOf);
		const findings: Finding[] = [];
		for (const place of places)
			findings.push(...(await lookAt(place, situation)));
		if (findings.length > 0 || places.length === 0) return findings;
		const names = places.map(({ host, port }) => show(host, port)).join(", ");
		const state = situation.running === null ? "free" : "open";
		return [ok("ports", `${names}: ${state}`)];
	},
};

function placesOf({ name, addresses }: ListenerSettings): Place[] {
	const key = `listener.${name.replace(":", ".")}`;
	return addresses
		.filter(({ port }) => port !== 0)
		.map(({ host, port }) => ({ host, port, key }));
}

async function lookAt(
	place: Place,
	situation: Situation,
): Promise<readonly Finding[]> {
	const { machine, running } = situation;
	const { host, port, key } = place;
	const shown = show(host, port);
	const isOurs = running?.listeners?.some(({ addresses }) =>
		addresses.includes(shown),
	);
	if (isOurs) return [];
	const tables = await Promise.all(
		["/proc/net/tcp", "/proc/net/tcp6"].map((path) => machine.text(path)),
	);
	const socket = tables
		.flatMap(({ value }) => listeningSockets(value ?? "", port))
		.find((each) => isInTheWay(each, host));
	if (socket === undefined)
		return running === null
			? privileges(place, situation)
			: [
					warning(
						"listener-not-open",
						`the broker runs, and nothing listens on ${shown} (${key})`,
						{
							why: "clients that connect there are refused; the configuration may have changed since the broker read it",
							fix: "sudo broker reload",
						},
					),
				];
	const holder = await machine.processOf(socket);
	if (holder !== null && holder.pid === running?.pid) return [];
	// Who may not see the service's process, may not ask it either.
	const isHidden = holder === null || holder.pid === 0;
	const isServiceActive = situation.unit?.ActiveState === "active";
	if (isHidden && isServiceActive && socket.uid === situation.brokerUser.uid)
		return [];
	return [inUse(place, holder, socket.uid, situation)];
}

function inUse(
	{ host, port, key }: Place,
	holder: PortHolder | null,
	uid: number,
	situation: Situation,
): Finding {
	const why =
		"only one program can have a port: while it is so, this listener is not opened, and a start of the broker fails";
	const head = `port ${port} on ${host} (${key}) is used by`;
	if (holder === null || holder.pid === 0)
		return problem(
			"port-in-use",
			`${head} a program of user ${uid}, which is not named to you`,
			{ why, fix: `sudo ss -ltnp sport = :${port}` },
		);
	const { pid, program, unit } = holder;
	const isBroker = unit !== "" && unit === situation.unit?.Id;
	return problem(
		"port-in-use",
		`${head} ${program} (pid ${pid}${unit === "" ? "" : `, ${unit}`})`,
		{
			why: isBroker
				? "it is the service itself, which does not answer on its admin socket"
				: why,
			fix: isBroker
				? restart(situation)
				: unit === ""
					? `sudo kill ${pid}`
					: `sudo systemctl disable --now ${unit.replace(/\.service$/, "")}`,
		},
	);
}

/** Nobody has the port; whether there is such an address, and the broker's user may. */
async function privileges(
	{ host, port, key }: Place,
	situation: Situation,
): Promise<readonly Finding[]> {
	const { machine, brokerUser, unit } = situation;
	const isAddress = isIP(host) !== 0 && !EVERYWHERE.test(host);
	if (isAddress && !machine.addresses().includes(host))
		return [
			problem(
				"address-missing",
				`this machine does not have the address ${host} of ${key} (now)`,
				{
					why: "the listener cannot be opened",
					fix: `ip -brief address   # and correct ${key}, or listen on 0.0.0.0`,
				},
			),
		];
	const first = Number((await machine.text(FIRST_UNPRIVILEGED)).value ?? 1024);
	if (port >= first || brokerUser.uid === 0) return [];
	if (unit?.AmbientCapabilities?.toUpperCase().includes(BIND)) return [];
	return [
		problem(
			"port-privileged",
			`user ${brokerUser.name} may not listen on port ${port} of ${host} (${key}): ports below ${first} need a capability`,
			{
				fix:
					unit === null
						? `sudo sysctl net.ipv4.ip_unprivileged_port_start=${port}`
						: editUnit(
								situation,
								`AmbientCapabilities=${BIND}`,
								`CapabilityBoundingSet=${BIND}`,
							),
			},
		),
	];
}

function show(host: string, port: number): string {
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
