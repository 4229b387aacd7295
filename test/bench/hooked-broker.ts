/**
 * The broker with one extension more, which is asked about each PUBLISH and has no opinion:
 * what the table of features (features.ts) measures access control's hook with.
 */
import type { BrokerApi, Extension } from "../../src/broker/broker-api.ts";
import { Decision } from "../../src/broker/hooks.ts";
import { extensions } from "../../src/extensions/index.ts";

class Undecided implements Extension {
	readonly name = "undecided";

	start(broker: BrokerApi): void {
		broker.onAuthorizePublish(() => Decision.Next);
	}

	stop(): void {}
}

(extensions as (() => Extension)[]).push(() => new Undecided());
await import("../../src/main.ts");
