/**
 * The local admin socket: HTTP over a unix socket, through which every command talks to
 * the running broker. Who may open the file may do everything; there is no other check,
 * and no way in by TCP. Without it the broker runs on.
 */
import type { BrokerApi, Extension } from "../../broker/broker-api.ts";
import { AdminServer } from "./admin-server.ts";
import { coreRoutes } from "./core-routes.ts";
import { stateRoutes } from "./state-routes.ts";

export function adminSocket(): Extension {
	return new AdminSocket();
}

class AdminSocket implements Extension {
	readonly name = "admin-socket";
	#server: AdminServer | null = null;

	async start(broker: BrokerApi): Promise<void> {
		for (const route of [...coreRoutes(broker), ...stateRoutes(broker)])
			broker.addRoute(route);
		const path = broker.settings["admin.socket"];
		if (path === "") return;
		const server = new AdminServer(broker.routes, (error) =>
			broker.log.system.error("a request on the admin socket failed", {
				error,
			}),
		);
		try {
			await server.listen(path);
		} catch (error) {
			const { message } = error as Error;
			broker.log.system.warning(
				`no admin socket, so no commands such as "broker status": ${message}`,
			);
			return;
		}
		this.#server = server;
		broker.log.system.debug(`commands are taken on ${path}`);
	}

	async stop(): Promise<void> {
		const server = this.#server;
		this.#server = null;
		await server?.close();
	}
}
