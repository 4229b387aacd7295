/** Who the client is: asks the hooks, and falls back to what anonymous clients may. */
import type { AuthVerdict } from "../broker/hooks.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";
import { Hold } from "./connection-state.ts";
import { onAuthenticated } from "./handle-connect.ts";
import { refuseConnect } from "./refuse-connect.ts";

export function authenticate(connection: Connection): void {
	const { broker, client, connect } = connection;
	if (client === null || connect === null) return;
	const hooks = broker.hooks.authenticate;
	if (hooks === null) {
		onVerdict(connection, null);
		return;
	}
	connection.hold(Hold.Connecting);
	const decide = async (): Promise<AuthVerdict | null> => {
		for (const hook of hooks) {
			const verdict = await hook(client, connect.password);
			if (verdict !== null) return verdict;
		}
		return null;
	};
	decide().then(
		(verdict) => connection.guard(() => onVerdict(connection, verdict)),
		(error) => connection.fail(error),
	);
}

function onVerdict(connection: Connection, verdict: AuthVerdict | null): void {
	const username = connection.client?.username ?? null;
	if (verdict === null) {
		const words = anonymousRefusal(connection);
		if (words === null) onAuthenticated(connection, username);
		else refuseConnect(connection, ReasonCode.NotAuthorized, words);
	} else if (verdict.allow) {
		onAuthenticated(connection, verdict.username ?? username);
	} else {
		refuseConnect(connection, verdict.reason, verdict.words);
	}
}

/** Nobody vouched for this client: null when it may come in all the same. */
function anonymousRefusal(connection: Connection): string | null {
	const { allowAnonymous, name } = connection.policy;
	if (allowAnonymous === "on") return null;
	if (allowAnonymous === "off") {
		return `allow_anonymous is off for listener ${name}`;
	}
	if (connection.stream.info.isLoopback) return null;
	return "anonymous clients are allowed from this machine only; set allow_anonymous = on to let in others";
}
