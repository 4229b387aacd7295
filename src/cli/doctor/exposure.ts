import type { ListenerSettings } from "../../config/config.ts";
import { type Finding, note, ok, warning } from "./finding.ts";
import { type Check, type Situation, setKey } from "./situation.ts";

/** Who gets in from the network, and what can be read on it. */
export const exposure: Check = {
	subject: "exposure",
	async look(situation) {
		const open = situation.config.listeners.filter(
			({ addresses }) => outside(addresses).length > 0,
		);
		if (open.length === 0)
			return [ok("exposure", "only this machine can connect")];
		return open.flatMap((listener) => lookAt(listener, situation));
	},
};

function lookAt(listener: ListenerSettings, situation: Situation): Finding[] {
	const key = `listener.${listener.name.replace(":", ".")}`;
	const places = outside(listener.addresses)
		.map(({ host, port }) => `${host} port ${port}`)
		.join(", ");
	const findings = [
		note(
			"plain-text-exposed",
			`${key} (${places}) takes connections from the network without TLS, which this version does not have`,
			{
				why: "passwords and messages can be read and changed by whoever is on the way",
				fix: `sudo ufw allow from 192.168.0.0/16 to any port ${outside(listener.addresses)[0]?.port} proto tcp   # or a tunnel, such as WireGuard or stunnel`,
			},
		),
	];
	if (listener.allowAnonymous === "on")
		findings.unshift(
			warning(
				"anonymous-exposed",
				`anybody who reaches ${places} may connect without a password (allow_anonymous is on for ${key})`,
				{
					why: "and may then read and write every topic",
					fix: setKey(situation, `${key}.allow_anonymous`, "loopback"),
				},
			),
		);
	return findings;
}

function outside(
	addresses: ListenerSettings["addresses"],
): ListenerSettings["addresses"] {
	return addresses.filter(
		({ host }) =>
			!(host.startsWith("127.") || host === "::1" || host === "localhost"),
	);
}
