/**
 * Who gets a message that mosquitto had not passed on yet: the imported subscriptions.
 * Filled only when there is such a message.
 */
import { parseShared } from "../../protocol/topic.ts";
import type { SubscriptionRecord } from "../../store/store.ts";
import {
	packOptions,
	unpackOptions,
} from "../../store/subscription-options.ts";
import { TopicTree } from "../../topics/topic-tree.ts";
import type { PlannedSession } from "./state-plan.ts";

/** Fields of an entry in the tree. */
const KEY = 0;
const OPTIONS = 1;
const IDENTIFIER = 2;
/** Number of the shared group; 0 for none. */
const GROUP = 3;
const FIELDS = 4;

export interface Recipient {
	readonly key: number;
	readonly qos: 0 | 1 | 2;
	readonly retain: boolean;
	readonly identifiers: readonly number[];
}

export class Recipients {
	readonly #tree = new TopicTree(FIELDS);
	readonly #groups = new Map<string, number>();

	add(session: PlannedSession, record: SubscriptionRecord): void {
		const shared = parseShared(record.filter);
		const entry = this.#tree.add(shared?.filter ?? record.filter);
		this.#tree.set(entry, KEY, session.key);
		this.#tree.set(entry, OPTIONS, packOptions(record));
		this.#tree.set(entry, IDENTIFIER, record.identifier);
		if (shared === null) return;
		const group = this.#groups.get(record.filter) ?? this.#groups.size + 1;
		this.#groups.set(record.filter, group);
		this.#tree.set(entry, GROUP, group);
	}

	/**
	 * One for each session, and one member of each shared group; those that get QoS 0
	 * are left out: they are away.
	 * @param publisher key of the session that published it
	 */
	of(
		topic: string,
		publisher: number,
		qos: 0 | 1 | 2,
		retain: boolean,
	): Recipient[] {
		const entries: number[] = [];
		this.#tree.match(topic, entries);
		const found = new Map<string, Recipient>();
		for (const entry of entries) {
			const key = this.#tree.get(entry, KEY);
			const group = this.#tree.get(entry, GROUP);
			const options = unpackOptions(this.#tree.get(entry, OPTIONS));
			if (options.noLocal && key === publisher) continue; // [MQTT-3.8.3-3]
			// A group has one recipient, whoever of it comes first.
			const place = group === 0 ? `session ${key}` : `group ${group}`;
			const before = found.get(place);
			if (group !== 0 && before !== undefined) continue;
			const identifier = this.#tree.get(entry, IDENTIFIER);
			const granted = Math.min(qos, options.qos) as 0 | 1 | 2;
			found.set(place, {
				key,
				qos:
					before !== undefined && before.qos > granted ? before.qos : granted,
				retain:
					before?.retain === true || (retain && options.retainAsPublished),
				identifiers: [
					...(before?.identifiers ?? []),
					...(identifier === 0 ? [] : [identifier]),
				],
			});
		}
		return [...found.values()].filter((one) => one.qos > 0);
	}
}
