/**
 * Values by topic filter, one node per filter level.
 *
 * A node is small because most of them are links of one exact filter: the only child
 * hangs on the node itself, a Map comes with the second child, a lone value is held
 * without a list, and `#` needs no node (its values hang on the level before it).
 * Walks are loops, not recursion: a filter may have tens of thousands of levels.
 * Owner of the state: the tree; it is changed and read on the main thread only.
 */

import type { Held } from "./held-values.ts";
import { append, holds, withoutValue, withValue } from "./held-values.ts";

const HASH = 0x23;
const DOLLAR = 0x24;
const PLUS = 0x2b;
const SLASH = 0x2f;

/** V8 makes a view of the whole string from this length on, and a copy below it. */
const SLICED_STRING_LENGTH = 13;

class Node<T> {
	readonly parent: Node<T> | null;
	/** The text of this level; "+" for the single-level wildcard. */
	readonly level: string;
	/** Exact next levels. */
	children: Node<T> | Map<string, Node<T>> | null = null;
	/** The next level `+`. */
	plus: Node<T> | null = null;
	/** Values of the filter that ends here. */
	ending: Held<T>;
	/** Values of the filter that goes on with `#`. */
	multi: Held<T>;

	constructor(parent: Node<T> | null, level: string) {
		this.parent = parent;
		this.level = level;
		this.ending = undefined;
		this.multi = undefined;
	}
}

/**
 * Finds all values whose filter matches a topic name. Filters and topic names are
 * taken as they are, validated by the caller, never normalised. // [MQTT-4.7.3-4]
 * `undefined` is no value.
 */
export class TopicTree<T> {
	readonly #root = new Node<T>(null, "");
	/** Branches that a running match has still to visit; empty between calls. */
	readonly #waitingNodes: Node<T>[] = [];
	readonly #waitingOffsets: number[] = [];
	#size = 0;
	#nodes = 0;
	#version = 0;

	/** Pairs of filter and value. */
	get size(): number {
		return this.#size;
	}

	/** Filter levels in memory, about 120 bytes each. 0 when the tree is empty. */
	get nodes(): number {
		return this.#nodes;
	}

	/** Another number after each change: what was matched with it is outdated. */
	get version(): number {
		return this.#version;
	}

	/** Adds a value, compared by identity; no change when the filter holds it already. */
	add(filter: string, value: T): void {
		const node = this.#nodeFor(filter);
		if (endsWithHash(filter)) {
			if (holds(node.multi, value)) return;
			node.multi = withValue(node.multi, value);
		} else {
			if (holds(node.ending, value)) return;
			node.ending = withValue(node.ending, value);
		}
		this.#size++;
		this.#version++;
	}

	/** Removes a value and the branches that are empty then. @returns false when it was not there */
	remove(filter: string, value: T): boolean {
		const node = this.#findNode(filter);
		if (node === null) return false;
		if (endsWithHash(filter)) {
			if (!holds(node.multi, value)) return false;
			node.multi = withoutValue(node.multi, value);
		} else {
			if (!holds(node.ending, value)) return false;
			node.ending = withoutValue(node.ending, value);
		}
		this.#size--;
		this.#version++;
		this.#prune(node);
		return true;
	}

	/** The values of exactly this filter, in the order they were added; a copy. */
	values(filter: string): readonly T[] {
		const found: T[] = [];
		const node = this.#findNode(filter);
		if (node !== null)
			append(endsWithHash(filter) ? node.multi : node.ending, found);
		return found;
	}

	/**
	 * Appends every value whose filter matches the topic name, once per filter.
	 * Benchmark: test/bench/match.ts.
	 */
	match(topic: string, into: T[]): void {
		const nodes = this.#waitingNodes;
		const offsets = this.#waitingOffsets;
		const isDollar = topic.charCodeAt(0) === DOLLAR;
		let node = this.#root;
		let from = 0;
		for (;;) {
			if (from > topic.length) {
				append(node.ending, into);
				append(node.multi, into); // `a/#` matches `a`
			} else {
				const slash = topic.indexOf("/", from);
				const end = slash === -1 ? topic.length : slash;
				// only the root has offset 0: no wildcard for the first level of `$SYS/...`
				if (from !== 0 || !isDollar) {
					append(node.multi, into); // [MQTT-4.7.2-1]
					if (node.plus !== null) {
						nodes.push(node.plus); // [MQTT-4.7.2-1]
						offsets.push(end + 1);
					}
				}
				const child = childOf(node, topic, from, end);
				if (child !== null) {
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

	/** The node of the filter, or of the level before a final `#`. */
	#findNode(filter: string): Node<T> | null {
		const length = lengthWithoutHash(filter);
		let node = this.#root;
		for (let from = 0; from <= length; ) {
			const end = endOfLevel(filter, from);
			const next = isPlus(filter, from, end)
				? node.plus
				: childOf(node, filter, from, end);
			if (next === null) return null;
			node = next;
			from = end + 1;
		}
		return node;
	}

	/** As `#findNode`, and makes what is missing. */
	#nodeFor(filter: string): Node<T> {
		const length = lengthWithoutHash(filter);
		let node = this.#root;
		for (let from = 0; from <= length; ) {
			const end = endOfLevel(filter, from);
			if (isPlus(filter, from, end)) {
				if (node.plus === null) {
					node.plus = new Node<T>(node, "+");
					this.#nodes++;
				}
				node = node.plus;
			} else {
				let child = childOf(node, filter, from, end);
				if (child === null) {
					child = new Node<T>(node, ownedLevel(filter, from, end));
					addChild(node, child);
					this.#nodes++;
				}
				node = child;
			}
			from = end + 1;
		}
		return node;
	}

	#prune(start: Node<T>): void {
		let node = start;
		while (node.parent !== null && isEmpty(node)) {
			const parent = node.parent;
			if (parent.plus === node) parent.plus = null;
			else removeChild(parent, node);
			this.#nodes--;
			node = parent;
		}
	}
}

function isEmpty<T>(node: Node<T>): boolean {
	return (
		node.children === null &&
		node.plus === null &&
		node.ending === undefined &&
		node.multi === undefined
	);
}

function childOf<T>(
	node: Node<T>,
	text: string,
	from: number,
	end: number,
): Node<T> | null {
	const children = node.children;
	if (children === null) return null;
	if (children instanceof Map)
		return children.get(text.substring(from, end)) ?? null;
	return children.level.length === end - from &&
		text.startsWith(children.level, from)
		? children
		: null;
}

function addChild<T>(node: Node<T>, child: Node<T>): void {
	const children = node.children;
	if (children === null) node.children = child;
	else if (children instanceof Map) children.set(child.level, child);
	else
		node.children = new Map([
			[children.level, children],
			[child.level, child],
		]);
}

function removeChild<T>(node: Node<T>, child: Node<T>): void {
	const children = node.children;
	if (children instanceof Map) {
		children.delete(child.level);
		if (children.size > 1) return;
		for (const only of children.values()) node.children = only;
	} else if (children === child) node.children = null;
}

function endsWithHash(filter: string): boolean {
	const last = filter.length - 1;
	return (
		filter.charCodeAt(last) === HASH &&
		(last === 0 || filter.charCodeAt(last - 1) === SLASH)
	);
}

/** Where the levels that have nodes end; -1 for the filter `#`, which has none. */
function lengthWithoutHash(filter: string): number {
	return endsWithHash(filter) ? filter.length - 2 : filter.length;
}

function endOfLevel(text: string, from: number): number {
	const slash = text.indexOf("/", from);
	return slash === -1 ? text.length : slash;
}

function isPlus(filter: string, from: number, end: number): boolean {
	return end - from === 1 && filter.charCodeAt(from) === PLUS;
}

/**
 * The level as a string of its own: a view would keep the first long filter in memory
 * for as long as any other filter shares the level.
 */
function ownedLevel(filter: string, from: number, end: number): string {
	const level = filter.substring(from, end);
	const isView =
		level.length >= SLICED_STRING_LENGTH && level.length < filter.length;
	return isView && level.isWellFormed() ? Buffer.from(level).toString() : level;
}
