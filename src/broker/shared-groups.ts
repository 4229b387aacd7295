/** All shared subscriptions, by group and by the topics that they match. */
import type { Subscription } from "../session/subscription.ts";
import { SharedGroup } from "../topics/shared-group.ts";
import { TopicTree } from "../topics/topic-tree.ts";

const NO_GROUPS: readonly SharedGroup<Subscription>[] = Object.freeze([]);

export class SharedGroups {
	readonly #tree = new TopicTree();
	/** By `$share/group/filter`: the group, and its entry in the tree. */
	readonly #groups = new Map<
		string,
		{ group: SharedGroup<Subscription>; entry: number }
	>();
	readonly #byEntry = new Map<number, SharedGroup<Subscription>>();

	get size(): number {
		return this.#groups.size;
	}

	/** As {@link TopicTree.version}. */
	get version(): number {
		return this.#tree.version;
	}

	/** Of the filters, without the groups. */
	get bytes(): number {
		return this.#tree.bytes;
	}

	get(filter: string): SharedGroup<Subscription> | undefined {
		return this.#groups.get(filter)?.group;
	}

	match(topic: string): readonly SharedGroup<Subscription>[] {
		if (this.#groups.size === 0) return NO_GROUPS;
		const entries: number[] = [];
		this.#tree.match(topic, entries);
		if (entries.length === 0) return NO_GROUPS;
		return entries
			.map((entry) => this.#byEntry.get(entry))
			.filter((group) => group !== undefined);
	}

	add(subscription: Subscription): void {
		const { filter, plainFilter, sharedGroup } = subscription;
		let known = this.#groups.get(filter);
		if (known === undefined) {
			const name = sharedGroup ?? "";
			const group = new SharedGroup<Subscription>(name, plainFilter);
			known = { group, entry: this.#tree.add(plainFilter) };
			this.#groups.set(filter, known);
			this.#byEntry.set(known.entry, group);
		}
		known.group.add(subscription);
	}

	remove(subscription: Subscription): void {
		const known = this.#groups.get(subscription.filter);
		if (known === undefined) return;
		known.group.remove(subscription);
		if (!known.group.isEmpty) return;
		this.#groups.delete(subscription.filter);
		this.#byEntry.delete(known.entry);
		this.#tree.remove(known.entry);
	}
}
