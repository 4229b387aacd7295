/**
 * Entries by topic filter, one node per filter level; all of it outside V8's heap.
 *
 *     filter a/+/c           node (root) -- "a" -- + -- "c"
 *     filter a/#             no node for #: its entries hang on the level before it
 *
 * A child is found through one index of all nodes, by its parent and the text of its
 * level, `+` like any other: no topic name has such a level. Entries of a node form a ring, in the order in which
 * they came. An entry is a number that the tree gives out, with fields for its owner.
 * Walks are loops, not recursion: a filter may have tens of thousands of levels.
 * Owner of the state: the tree; it is changed and read on the main thread only.
 */
import { HashIndex, hashText } from "../platform/hash-index.ts";
import { IntRows } from "../platform/int-rows.ts";
import { TextStore } from "../platform/text-store.ts";
import {
	endOfLevel,
	endsWithHash,
	lengthWithoutHash,
} from "./filter-levels.ts";

const DOLLAR = 0x24;

/** Fields of a node. */
const PARENT = 0;
/** The word of its text ({@link TextStore}); never 0. */
const WORD = 1;
const PLACE = 2;
/** The first entry of the filter that ends here. */
const ENDING = 3;
/** The first entry of the filter that goes on with `#`. */
const MULTI = 4;
/** Twice the number of exact next levels, and one more where a `+` is among the next levels. */
const CHILDREN = 5;
const NODE_FIELDS = 6;
const HAS_PLUS = 1;
const ONE_CHILD = 2;
const PLUS_TEXT = "+";
/** A node's place in the index, which is never full. */
const PLACE_BYTES = 10;

/** Fields of an entry, before those of its owner. */
const NEXT = 0;
/** Its node; negative when it hangs on MULTI. Never 0. */
const NODE = 1;
const PREVIOUS = 2;
const ENTRY_FIELDS = 3;

/**
 * Finds all entries whose filter matches a topic name. Filters and topic names are
 * taken as they are, validated by the caller, never normalised. // [MQTT-4.7.3-4]
 */
export class TopicTree {
	readonly #nodes = new IntRows(NODE_FIELDS);
	readonly #root = this.#nodes.allocate();
	readonly #index = new HashIndex((node) => this.#hashOf(node));
	readonly #texts = new TextStore();
	readonly #entries: IntRows;
	/** Branches that a running match has still to visit; empty between calls. */
	readonly #waitingNodes: number[] = [];
	readonly #waitingOffsets: number[] = [];
	#version = 0;

	/** @param ownFields numbers that each entry has for its owner */
	constructor(ownFields = 0) {
		this.#entries = new IntRows(ENTRY_FIELDS + ownFields);
	}

	get size(): number {
		return this.#entries.size;
	}

	/** Filter levels in memory. 0 when the tree is empty. */
	get nodes(): number {
		return this.#nodes.size - 1;
	}

	/** What it takes in memory. */
	get bytes(): number {
		return (
			this.#entries.bytes +
			this.#nodes.bytes +
			this.#nodes.size * PLACE_BYTES +
			this.#texts.bytes
		);
	}

	/** Another number after each change: what was matched with it is outdated. */
	get version(): number {
		return this.#version;
	}

	/** @returns a new entry, above 0; one filter may have any number of them */
	add(filter: string): number {
		const node = this.#nodeFor(filter);
		const isMulti = endsWithHash(filter);
		const entry = this.#entries.allocate();
		this.#entries.set(entry, NODE, isMulti ? -node : node);
		this.#link(node, isMulti ? MULTI : ENDING, entry);
		this.#version++;
		return entry;
	}

	/** Removes an entry and the branches that are empty then. */
	remove(entry: number): void {
		const signed = this.#entries.get(entry, NODE);
		const node = Math.abs(signed);
		this.#unlink(node, signed < 0 ? MULTI : ENDING, entry);
		this.#entries.free(entry);
		this.#version++;
		this.#prune(node);
	}

	/** A field of the entry's owner, from 0 on. */
	get(entry: number, field: number): number {
		return this.#entries.get(entry, ENTRY_FIELDS + field);
	}

	set(entry: number, field: number, value: number): void {
		this.#entries.set(entry, ENTRY_FIELDS + field, value);
	}

	/** The filter as it was added. */
	filterOf(entry: number): string {
		const signed = this.#entries.get(entry, NODE);
		const levels: string[] = signed < 0 ? ["#"] : [];
		for (
			let node = Math.abs(signed);
			node !== this.#root;
			node = this.#nodes.get(node, PARENT)
		) {
			const word = this.#nodes.get(node, WORD);
			const place = this.#nodes.get(node, PLACE);
			levels.push(this.#texts.read(place, word));
		}
		return levels.reverse().join("/");
	}

	/**
	 * Appends every entry whose filter matches the topic name.
	 * Benchmark: test/bench/match.ts.
	 */
	match(topic: string, into: number[]): void {
		const nodes = this.#waitingNodes;
		const offsets = this.#waitingOffsets;
		const isDollar = topic.charCodeAt(0) === DOLLAR;
		let node = this.#root;
		let from = 0;
		for (;;) {
			if (from > topic.length) {
				this.#append(this.#nodes.get(node, ENDING), into);
				this.#append(this.#nodes.get(node, MULTI), into); // `a/#` matches `a`
			} else {
				const end = endOfLevel(topic, from);
				// only the root has offset 0: no wildcard for the first level of `$SYS/...`
				if (from !== 0 || !isDollar) {
					this.#append(this.#nodes.get(node, MULTI), into); // [MQTT-4.7.2-1]
					if ((this.#nodes.get(node, CHILDREN) & HAS_PLUS) !== 0) {
						nodes.push(this.#child(node, PLUS_TEXT, 0, 1)); // [MQTT-4.7.2-1]
						offsets.push(end + 1);
					}
				}
				const hasExact = this.#nodes.get(node, CHILDREN) >= ONE_CHILD;
				const child = hasExact ? this.#child(node, topic, from, end) : 0;
				if (child !== 0) {
					node = child;
					from = end + 1;
					continue;
				}
			}
			const next = nodes.pop();
			if (next === undefined) return;
			node = next;
			from = offsets.pop() ?? 0;
		}
	}

	#append(first: number, into: number[]): void {
		if (first === 0) return;
		let entry = first;
		do {
			into.push(entry);
			entry = this.#entries.get(entry, NEXT);
		} while (entry !== first);
	}

	/** The next level of a node; 0 when there is none. */
	#child(node: number, text: string, from: number, end: number): number {
		const index = this.#index;
		let slot = index.first(hashText(text, from, end, node));
		for (;;) {
			const child = index.rowAt(slot);
			if (child === 0) return 0;
			if (
				this.#nodes.get(child, PARENT) === node &&
				this.#hasText(child, text, from, end)
			)
				return child;
			slot = index.next(slot);
		}
	}

	#hasText(node: number, text: string, from: number, end: number): boolean {
		const place = this.#nodes.get(node, PLACE);
		const word = this.#nodes.get(node, WORD);
		return this.#texts.equals(place, word, text, from, end);
	}

	#hashOf(node: number): number {
		const place = this.#nodes.get(node, PLACE);
		const parent = this.#nodes.get(node, PARENT);
		return this.#texts.hash(place, this.#nodes.get(node, WORD), parent);
	}

	/** The node of the filter, or of the level before a final `#`; makes what is missing. */
	#nodeFor(filter: string): number {
		const length = lengthWithoutHash(filter);
		let node = this.#root;
		for (let from = 0; from <= length; ) {
			const end = endOfLevel(filter, from);
			const child = this.#child(node, filter, from, end);
			node = child === 0 ? this.#addChild(node, filter, from, end) : child;
			from = end + 1;
		}
		return node;
	}

	#addChild(parent: number, filter: string, from: number, end: number): number {
		const text = filter.slice(from, end);
		const word = TextStore.wordOf(text);
		const node = this.#nodes.allocate();
		this.#nodes.set(node, PARENT, parent);
		this.#nodes.set(node, WORD, word);
		this.#nodes.set(node, PLACE, this.#texts.add(text, word));
		this.#countChild(parent, text === PLUS_TEXT ? HAS_PLUS : ONE_CHILD);
		this.#index.add(node);
		return node;
	}

	#countChild(parent: number, by: number): void {
		const children = this.#nodes.get(parent, CHILDREN);
		this.#nodes.set(parent, CHILDREN, children + by);
	}

	#prune(start: number): void {
		const nodes = this.#nodes;
		let node = start;
		while (node !== this.#root && this.#isEmpty(node)) {
			const parent = nodes.get(node, PARENT);
			const isPlus = this.#hasText(node, PLUS_TEXT, 0, 1);
			this.#index.remove(node);
			this.#texts.release(nodes.get(node, WORD));
			this.#countChild(parent, isPlus ? -HAS_PLUS : -ONE_CHILD);
			nodes.free(node);
			node = parent;
		}
		if (this.#texts.isMostlyGarbage) this.#compactTexts();
	}

	#isEmpty(node: number): boolean {
		const nodes = this.#nodes;
		return (
			nodes.get(node, CHILDREN) === 0 &&
			nodes.get(node, ENDING) === 0 &&
			nodes.get(node, MULTI) === 0
		);
	}

	#compactTexts(): void {
		const nodes = this.#nodes;
		this.#texts.compact((move) => {
			for (let node = this.#root + 1; node <= nodes.lastRow; node++) {
				const word = nodes.peek(node, WORD);
				if (word === 0) continue;
				nodes.set(node, PLACE, move(nodes.get(node, PLACE), word));
			}
		});
	}

	/** Puts an entry at the end of a ring, whose first one the node names. */
	#link(node: number, field: number, entry: number): void {
		const entries = this.#entries;
		const first = this.#nodes.get(node, field);
		if (first === 0) {
			entries.set(entry, NEXT, entry);
			entries.set(entry, PREVIOUS, entry);
			this.#nodes.set(node, field, entry);
			return;
		}
		const last = entries.get(first, PREVIOUS);
		entries.set(last, NEXT, entry);
		entries.set(entry, PREVIOUS, last);
		entries.set(entry, NEXT, first);
		entries.set(first, PREVIOUS, entry);
	}

	#unlink(node: number, field: number, entry: number): void {
		const entries = this.#entries;
		const next = entries.get(entry, NEXT);
		if (next === entry) {
			this.#nodes.set(node, field, 0);
			return;
		}
		const previous = entries.get(entry, PREVIOUS);
		entries.set(previous, NEXT, next);
		entries.set(next, PREVIOUS, previous);
		if (this.#nodes.get(node, field) === entry) {
			this.#nodes.set(node, field, next);
		}
	}
}
