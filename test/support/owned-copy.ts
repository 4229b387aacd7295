import type { ApplicationMessage } from "../../src/protocol/messages.ts";
import type { Publish } from "../../src/protocol/publish.ts";

/** What goes on with a message that passes through, with bytes of its own. */
export function ownedCopy(publish: Publish): ApplicationMessage {
	const properties = Buffer.alloc(publish.forwardableLength);
	const payload = Buffer.alloc(publish.payloadLength);
	publish.writeForwardable(properties, 0);
	publish.writePayload(payload, 0);
	const { topic, qos, retain, expirySeconds } = publish;
	return { topic, qos, retain, payload, properties, expirySeconds };
}
