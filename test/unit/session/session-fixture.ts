/**
 * Sessions without connections: a context with default settings, an outlet that notes
 * what it is given, and deliveries as the router makes them.
 */
import { loadConfig, type Settings } from "../../../src/config/config.ts";
import { ByteBudget } from "../../../src/platform/byte-budget.ts";
import { Logger, levels, RateLimit } from "../../../src/platform/logger.ts";
import { TimerWheel } from "../../../src/platform/timer-wheel.ts";
import type { QoS } from "../../../src/protocol/constants.ts";
import type { ApplicationMessage } from "../../../src/protocol/messages.ts";
import { Publish } from "../../../src/protocol/publish.ts";
import type { ReasonCode } from "../../../src/protocol/reason-codes.ts";
import { Delivery } from "../../../src/session/delivery.ts";
import {
	type InflightEntry,
	InflightEntry as NewEntry,
} from "../../../src/session/inflight.ts";
import { type Outlet, SendResult } from "../../../src/session/outlet.ts";
import { Session } from "../../../src/session/session.ts";
import {
	ROOMY_HEAD,
	type SessionContext,
} from "../../../src/session/session-context.ts";
import { SessionCounters } from "../../../src/session/session-counters.ts";
import {
	Subscription,
	type SubscriptionOptions,
} from "../../../src/session/subscription.ts";
import type { CommitTicket } from "../../../src/store/commit-ticket.ts";
import type { Store } from "../../../src/store/store.ts";
import { StoredMessage } from "../../../src/store/stored-message.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { LateStore } from "../../support/late-store.ts";

export {
	committed,
	message,
	NotingTicket,
} from "../../support/store-fixtures.ts";

export interface TestContext extends SessionContext {
	readonly clock: FakeClock;
	readonly settings: Settings;
	readonly lines: string[];
}

export function makeContext(
	overrides: Record<string, string | number | boolean> = {},
	store?: Store,
): TestContext {
	const clock = new FakeClock();
	const lines: string[] = [];
	const { settings } = loadConfig({
		defaultFile: "/nonexistent/broker.conf",
		sets: Object.entries(overrides).map(([key, value]) => `${key}=${value}`),
		env: {},
		underSystemd: false,
		fragments: [],
	});
	const log = new Logger((line) => lines.push(line), clock, {
		level: levels[2],
		classes: {},
		format: "text",
	});
	return {
		settings,
		clock,
		wheel: new TimerWheel(clock),
		store: store ?? new LateStore({ maxDelayMs: 0, clock }),
		log,
		logLimit: new RateLimit(clock, 10_000),
		messageBudget: new ByteBudget("messages", Infinity, "max_queued_bytes"),
		sessionBudget: new ByteBudget("sessions", Infinity, "max_sessions"),
		willBudget: new ByteBudget("wills", Infinity, "max_connect_size"),
		retainedBudget: new ByteBudget("retained", Infinity, "max_retained_bytes"),
		head: { ...ROOMY_HEAD },
		counters: new SessionCounters(),
		firstPacketId: 1,
		lines,
	};
}

/** Notes what is sent: `m1 q1 #3 dup`, `pubrel #3`, `ended 142`. */
export class NotingOutlet implements Outlet {
	isOpen = true;
	pressure = 0;

	noteQueuePressure(): void {
		this.pressure++;
	}

	relieveQueuePressure(): void {
		this.pressure = 0;
	}

	peer = "noting";
	receiveMaximum: number;
	isCongested = false;
	dropsQoS0 = false;
	/** Messages with this payload are above the client's Maximum Packet Size. */
	tooLarge: string | null = null;
	readonly sent: string[] = [];
	readonly entries: InflightEntry[] = [];

	constructor(receiveMaximum = 65_535) {
		this.receiveMaximum = receiveMaximum;
	}

	/** What was sent since the last call. */
	take(): string[] {
		return this.sent.splice(0);
	}

	sendPublish(
		delivery: Delivery,
		qos: QoS,
		retain: boolean,
		packetId: number,
		identifiers: readonly number[],
	): SendResult {
		const payload = delivery.publish.payload.toString();
		return this.#note(payload, qos, retain, packetId, identifiers, false, -1);
	}

	sendEntry(
		entry: InflightEntry,
		duplicate: boolean,
		expirySeconds: number,
	): SendResult {
		this.entries.push(entry);
		const { message, qos, retain, packetId, identifiers } = entry;
		const payload = message.payload.toString();
		return this.#note(
			payload,
			qos,
			retain,
			packetId,
			identifiers,
			duplicate,
			expirySeconds,
		);
	}

	sendPubrel(packetId: number): void {
		this.sent.push(`pubrel #${packetId}`);
	}

	terminate(reason: ReasonCode): void {
		this.sent.push(`ended ${reason}`);
	}

	#note(
		payload: string,
		qos: QoS,
		retain: boolean,
		packetId: number,
		identifiers: readonly number[],
		duplicate: boolean,
		expirySeconds: number,
	): SendResult {
		if (payload === this.tooLarge) return SendResult.TooLarge;
		let note = `${payload} q${qos}`;
		if (qos > 0) note += ` #${packetId}`;
		if (duplicate) note += " dup";
		if (retain) note += " retain";
		if (identifiers.length > 0) note += ` ids ${identifiers.join(",")}`;
		if (expirySeconds >= 0) note += ` expires ${expirySeconds}`;
		this.sent.push(note);
		return SendResult.Sent;
	}
}

let lastKey = 0;

export function makeSession(
	context: SessionContext,
	rest: { clientId?: string; expirySeconds?: number } = {},
): Session {
	const expirySeconds = rest.expirySeconds ?? 0;
	return new Session(
		context,
		rest.clientId ?? "client",
		expirySeconds > 0 ? ++lastKey : 0,
		null,
		expirySeconds,
	);
}

export function subscriptionOf(
	session: Session,
	filter: string,
	options: Partial<SubscriptionOptions> = {},
): Subscription {
	const group = /^\$share\/([^/]+)\/(.*)$/.exec(filter);
	const subscription = new Subscription(
		session,
		filter,
		group?.[2] ?? filter,
		group?.[1] ?? null,
		{
			qos: 2,
			noLocal: false,
			retainAsPublished: false,
			identifier: 0,
			...options,
		},
	);
	session.subscriptions.set(subscription);
	return subscription;
}

export function deliveryOf(
	context: SessionContext,
	payload: string,
	rest: Partial<ApplicationMessage> & {
		publisherId?: string;
		ticket?: CommitTicket;
	} = {},
): Delivery {
	const { publisherId, ticket, ...fields } = rest;
	const publish = Publish.fromMessage({
		topic: "a/b",
		qos: 1,
		retain: false,
		payload: Buffer.from(payload),
		properties: Buffer.alloc(0),
		expirySeconds: -1,
		...fields,
	});
	return new Delivery(publish, publisherId ?? null, ticket ?? null, context);
}

/** An entry that is in no session. */
export function entryOf(
	budget = new ByteBudget("messages", Infinity, "none"),
	rest: { qos?: QoS; sequence?: number; payload?: string } = {},
): InflightEntry {
	const message = StoredMessage.adopt(
		{
			topic: "a/b",
			qos: 2,
			retain: false,
			payload: Buffer.from(rest.payload ?? "m"),
			properties: Buffer.alloc(0),
			expirySeconds: -1,
		},
		Infinity,
		budget,
	);
	return new NewEntry(
		message,
		rest.qos ?? 1,
		false,
		[],
		null,
		rest.sequence ?? 1,
	);
}

/** The client acknowledges the message with this packet id to the end. */
export function acknowledge(session: Session, packetId: number): void {
	const entry = session.outbound?.inflight.get(packetId);
	if (entry === undefined) throw new Error(`no packet id ${packetId}`);
	session.outbound?.complete(entry);
}

/** Takes the connection away, as the registry does: nothing stays in memory. */
export function disconnect(session: Session): void {
	for (const entry of session.detach()) entry.message.release();
}
