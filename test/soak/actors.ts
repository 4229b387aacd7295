/**
 * The clients of the soak run and what they do at random. Publishers and holders
 * keep their sessions for the whole round and are checked to the last message;
 * churners come and go in every way a client can, and only have to do no harm.
 */
import { parseMessage, ReceivedLedger, type SentLedger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { type Qos, type Version, WireClient } from "./wire-client.ts";

export const topicCount = 8;
export const retainedCount = 200;
const sessionExpirySeconds = 3600;

export interface Stage {
	port: number;
	random: Random;
	sent: SentLedger;
	/** Everything found wrong so far, in words. */
	violations: string[];
}

export interface Actor {
	readonly client: WireClient;
	/** True while a connection is being made or ended. */
	busy: boolean;
	arrive(): Promise<void>;
	leave(): Promise<void>;
	/** One small thing while connected. */
	act(): void;
}

abstract class BaseActor implements Actor {
	readonly client: WireClient;
	busy = false;
	protected readonly stage: Stage;

	constructor(
		stage: Stage,
		clientId: string,
		version: Version,
		onPayload: (payload: string) => void,
	) {
		this.stage = stage;
		this.client = new WireClient({
			port: stage.port,
			clientId,
			version,
			onMessage: (_topic, payload) => onPayload(payload.toString()),
			onViolation: (what) => stage.violations.push(what),
		});
	}

	abstract arrive(): Promise<void>;
	abstract act(): void;

	/** Half of all departures are impolite. */
	async leave(): Promise<void> {
		if (this.stage.random.chance(0.5)) this.client.destroy();
		else await this.client.disconnect();
	}

	/** Continues a session that must be there, except for the first time. */
	protected async resume(first: boolean): Promise<void> {
		const present = await this.client.connect({
			clean: false,
			sessionExpirySeconds,
			receiveMaximum: 1 + this.stage.random.below(50),
		});
		if (present === first && this.client.version !== 3) {
			this.stage.violations.push(
				`${this.client.clientId}: session present is ${present}`,
			);
		}
	}
}

/** Publishes numbered messages and repeats them until they are acknowledged. */
export class Publisher extends BaseActor {
	#first = true;

	constructor(stage: Stage, clientId: string, version: Version) {
		super(stage, clientId, version, () => {
			// Publishers subscribe to nothing.
		});
	}

	async arrive(): Promise<void> {
		await this.resume(this.#first);
		this.#first = false;
	}

	act(): void {
		const { random, sent } = this.stage;
		const qos = random.below(3) as Qos;
		if (!this.client.hasWindow) return;
		const kind = random.chance(0.1) ? "work" : "soak";
		const topic = `${kind}/${random.below(topicCount)}/${this.client.clientId}`;
		const payload = sent.next(this.client.clientId, topic, qos);
		this.client.publish(topic, payload, qos);
	}
}

/** Subscribes once and holds the session, connected or not. */
export class Holder extends BaseActor {
	readonly filter: string;
	#first = true;

	constructor(
		stage: Stage,
		clientId: string,
		version: Version,
		filter: string,
		ledger: ReceivedLedger,
	) {
		super(stage, clientId, version, (payload) => {
			const message = parseMessage(payload);
			if (message !== undefined) ledger.record(message);
		});
		this.filter = filter;
	}

	async arrive(): Promise<void> {
		await this.resume(this.#first);
		if (this.#first) await this.client.subscribe([this.filter], 2);
		this.#first = false;
	}

	act(): void {
		this.client.ping();
	}
}

const churnFilters = [
	"churn/#",
	"churn/+/chat",
	"soak/1/+",
	"+/2/#",
	"churn/retained/+",
	"$share/churn/churn/jobs",
];

/** A new kind of client with each arrival, under a client id of a small set. */
export class Churner extends BaseActor {
	constructor(stage: Stage, clientId: string, version: Version) {
		super(stage, clientId, version, () => {
			// What churners receive is not counted.
		});
	}

	async arrive(): Promise<void> {
		const { random } = this.stage;
		const { client } = this;
		await client.connect({
			clean: random.chance(0.5),
			sessionExpirySeconds: random.pick([0, 1, 5, sessionExpirySeconds]),
			receiveMaximum: 1 + random.below(20),
			...(random.chance(0.5)
				? {
						will: {
							topic: `churn/${client.clientId}/will`,
							payload: "gone",
							qos: random.below(3) as Qos,
							retain: random.chance(0.2),
						},
					}
				: {}),
		});
		const filters = churnFilters.filter(() => random.chance(0.3));
		if (filters.length > 0) {
			await client.subscribe(filters, random.below(3) as Qos);
		}
	}

	act(): void {
		const { random } = this.stage;
		const { client } = this;
		if (!client.hasWindow) return;
		if (random.chance(0.05)) {
			client.unsubscribe([random.pick(churnFilters)]).catch(() => {
				// The connection ended first.
			});
			return;
		}
		const retain = random.chance(0.3);
		const topic = retain
			? `churn/retained/${random.below(retainedCount)}`
			: random.pick([`churn/${client.clientId}/chat`, "churn/jobs"]);
		const payload = random.chance(0.1) ? "" : "x".repeat(random.below(2000));
		client.publish(topic, payload, random.below(3) as Qos, retain);
	}
}

export interface Cast {
	publishers: Publisher[];
	holders: Holder[];
	churners: Churner[];
	/** One per ordinary holder and one per shared group. */
	ledgers: ReceivedLedger[];
}

/** Divides the clients: a third each of publishers, holders and churners. */
export function createCast(stage: Stage, clients: number): Cast {
	const third = Math.max(3, Math.floor(clients / 3));
	const versionOf = (index: number): Version => (index % 3 === 0 ? 4 : 5);
	const publishers = Array.from(
		{ length: third },
		(_, index) => new Publisher(stage, `publisher-${index}`, versionOf(index)),
	);
	const group = new ReceivedLedger("the shared group", false, (topic) =>
		topic.startsWith("work/"),
	);
	const ledgers = [group];
	const holders: Holder[] = [];
	for (let index = 0; index < third; index++) {
		const clientId = `holder-${index}`;
		if (index < 2) {
			const filter = "$share/group/work/#";
			holders.push(new Holder(stage, clientId, 5, filter, group));
			continue;
		}
		const topic = index % topicCount;
		const filter = index === 2 ? "soak/#" : `soak/${topic}/+`;
		const prefix = index === 2 ? "soak/" : `soak/${topic}/`;
		const ledger = new ReceivedLedger(clientId, true, (name) =>
			name.startsWith(prefix),
		);
		ledgers.push(ledger);
		holders.push(new Holder(stage, clientId, versionOf(index), filter, ledger));
	}
	const churners = Array.from(
		{ length: third },
		(_, index) =>
			new Churner(stage, `churner-${index}`, (3 + (index % 3)) as Version),
	);
	return { publishers, holders, churners, ledgers };
}
