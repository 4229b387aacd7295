/**
 * A message of the broker's own on its way to a subscriber of its own: the table of
 * subscriptions, the routes and a session work. It is in no count, no hook hears of it,
 * and nothing of it is left afterwards.
 */
import { Publish } from "../protocol/publish.ts";
import { Delivery } from "../session/delivery.ts";
import { type Outlet, SendResult } from "../session/outlet.ts";
import { Session } from "../session/session.ts";
import type { Broker } from "./broker.ts";

/** `#` does not match it, and nobody has a reason to ask for it. */
const TOPIC = "$self-test";
const NOTHING = Buffer.alloc(0);

/** @throws Error when the message does not arrive */
export function testRouter(broker: Broker): void {
	const { context, router } = broker;
	const session = new Session(context, "", 0, null, 0);
	const outlet = new SelfTestOutlet();
	session.attach(outlet);
	router.subscriptions.add(session, TOPIC, {
		qos: 0,
		noLocal: false,
		retainAsPublished: false,
		identifier: 0,
	});
	try {
		const publish = Publish.fromMessage({
			topic: TOPIC,
			qos: 0,
			retain: false,
			payload: NOTHING,
			properties: NOTHING,
			expirySeconds: -1,
		});
		router.deliver(new Delivery(publish, null, null, context));
	} finally {
		router.subscriptions.removeAll(session);
		session.detach();
		session.discard();
	}
	if (outlet.received !== 1)
		throw new Error(`${outlet.received} of 1 messages arrived`);
	context.counters.publishSent--;
}

class SelfTestOutlet implements Outlet {
	readonly peer = "self-test";
	readonly receiveMaximum = 1;
	readonly isOpen = true;
	readonly isCongested = false;
	readonly dropsQoS0 = false;
	received = 0;

	noteQueuePressure(): void {}
	relieveQueuePressure(): void {}
	sendPublish(): SendResult {
		this.received++;
		return SendResult.Sent;
	}
	sendEntry(): SendResult {
		return SendResult.Sent;
	}
	sendPubrel(): void {}
	terminate(): void {}
}
