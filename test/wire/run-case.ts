/**
 * Runs the steps of one wire case against a target. Steps are described in README.md.
 *
 * Owns the case's connections; all are cut when it ends. At the end every connection
 * that is still open must be in order and have nothing unread.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
	type Arrival,
	describeArrival,
	WireClient,
} from "../support/wire-client.ts";
import type { Version, WireCase } from "./case-file.ts";
import { mismatch } from "./expectation.ts";
import {
	type Captures,
	encodeNotation,
	type NotationContext,
} from "./notation.ts";
import { runMeanwhile, type WireTarget } from "./wire-target.ts";

/** Says which step failed, what was expected and what came. */
class WireCaseError extends Error {
	override readonly name = "WireCaseError";
}

/** A connection of the case. */
interface Peer {
	readonly client: WireClient;
	readonly context: NotationContext;
	isConnected: boolean;
	/** Something was sent since the broker was last known to have handled everything. */
	isDirty: boolean;
	/** Part of a packet was sent: a PINGREQ would become part of it. */
	isMidPacket: boolean;
	nextPacketId: number;
}

const STEP = /^([a-z]\d?)\s*(>>|>|<)\s*(.+)$/s;
const ACTION = /^([a-z]\d?)\s+([a-z]+)([345]?)\s*(.*)$/s;
let caseCounter = 0;

export class CaseRun {
	readonly #case: WireCase;
	readonly #target: WireTarget;
	readonly #peers = new Map<string, Peer>();
	readonly #captures: Captures = new Map();
	readonly #prefix: string;
	#step = "";

	constructor(wireCase: WireCase, target: WireTarget) {
		this.#case = wireCase;
		this.#target = target;
		this.#prefix = `${process.pid.toString(36)}${(caseCounter++).toString(36)}`;
	}

	/** @throws WireCaseError */
	async run(): Promise<void> {
		try {
			for (const step of this.#case.steps) {
				this.#step = step;
				await this.#perform(step);
			}
			this.#step = "(the end of the case: nothing may be left over)";
			for (const [name, peer] of this.#peers)
				if (peer.isConnected && !peer.isMidPacket) await this.#quiet(name);
		} catch (error) {
			if (error instanceof WireCaseError) throw error;
			const message = error instanceof Error ? error.message : String(error);
			throw new WireCaseError(`step: ${this.#step}\n  ${message}`, {
				cause: error,
			});
		} finally {
			for (const peer of this.#peers.values()) peer.client.destroy();
		}
	}

	async #perform(step: string): Promise<void> {
		const advance = /^advance (\d+)$/.exec(step);
		if (advance !== null) {
			await this.#settleOthers("");
			await this.#target.advance(Number(advance[1]));
			return;
		}
		const exchange = STEP.exec(step);
		if (exchange !== null) {
			const [, name = "", operator, text = ""] = exchange;
			if (operator === "<") await this.#expect(name, text);
			else await this.#send(name, text, operator === ">>");
			return;
		}
		const action = ACTION.exec(step);
		if (action === null) this.#fail("a step in the known form", "");
		const [, name = "", verb = "", digit = "", rest = ""] = action;
		await this.#act(name, verb, digit, rest);
	}

	async #act(name: string, verb: string, digit: string, rest: string) {
		switch (verb) {
			case "open":
				await this.#open(name);
				return;
			case "connect":
				return await this.#connect(name, digit, rest);
			case "subscribe":
				return await this.#subscribe(name, rest);
			case "closed":
				return await this.#closed(name);
			case "refused":
				return await this.#refused(name, rest);
			case "rejected":
				return await this.#rejected(name);
			case "quiet":
				return await this.#quiet(name);
			case "drop":
				return await this.#drop(name);
			case "disconnect":
				await this.#send(name, "E0 00", false);
				return await this.#closed(name);
			default:
				this.#fail(`a known verb, not "${verb}"`, "");
		}
	}

	async #open(name: string, version: Version = this.#case.version) {
		if (this.#peers.has(name)) this.#fail(`${name} to be new`, "");
		const expand = (text: string) =>
			text
				.replaceAll("$T", `t${this.#prefix}`)
				.replaceAll("$C", `c${this.#prefix}`)
				.replaceAll("$I", `c${this.#prefix}${name.charAt(0)}`);
		const peer: Peer = {
			client: new WireClient(await this.#target.open(), version),
			context: { version, clientId: expand("$I"), expand },
			isConnected: false,
			isDirty: false,
			isMidPacket: false,
			nextPacketId: 0x7000,
		};
		this.#peers.set(name, peer);
		return peer;
	}

	async #peer(name: string): Promise<Peer> {
		return this.#peers.get(name) ?? (await this.#open(name));
	}

	async #send(name: string, text: string, isPartial: boolean) {
		const peer = await this.#peer(name);
		peer.client.send(encodeNotation(text, peer.context, this.#captures));
		peer.isDirty = true;
		peer.isMidPacket = isPartial;
	}

	async #expect(name: string, text: string) {
		const peer = await this.#peer(name);
		const waiting = text.split(" && ");
		while (waiting.length > 0) {
			const arrival = await this.#next(peer);
			if (typeof arrival === "string")
				this.#fail(waiting.join(" && "), describeArrival(arrival));
			const reasons = waiting.map((expected) =>
				mismatch(expected, arrival, peer.context, this.#captures),
			);
			const index = reasons.indexOf("");
			if (index < 0)
				this.#fail(
					waiting.join(" && "),
					`${describeArrival(arrival)}\n    (${reasons.join("; ")})`,
				);
			const [matched] = waiting.splice(index, 1);
			if (matched?.startsWith("connack 0") || matched?.startsWith("20"))
				peer.isConnected = true;
		}
	}

	#next(peer: Peer): Promise<Arrival> {
		return runMeanwhile(peer.client.next(), () => this.#target.runStore());
	}

	/** `connect[3|4|5] [(flags, properties, rest)] [sp]`: CONNECT accepted. */
	async #connect(name: string, digit: string, rest: string) {
		const version = digit === "" ? this.#case.version : Number(digit);
		await this.#open(name, version as Version);
		const present = /\bsp$/.exec(rest);
		const args = present ? rest.slice(0, present.index) : rest;
		await this.#send(name, `@c${args}`, false);
		await this.#expect(name, present ? "connack 0 sp" : "connack 0");
	}

	/** `subscribe FILTER OPTIONS [PROPERTIES]`: SUBSCRIBE granted as asked for. */
	async #subscribe(name: string, rest: string) {
		const [filter = "", options = "00", ...properties] = rest.split(" ");
		const peer = await this.#peer(name);
		const id = (peer.nextPacketId++).toString(16);
		await this.#send(
			name,
			`82 r* ${id} p?[${properties.join(" ")}] s'${filter}' ${options}`,
			false,
		);
		const qos = Number.parseInt(options, 16) & 3;
		await this.#expect(name, `suback ${id} ${qos}`);
	}

	async #closed(name: string) {
		const peer = await this.#peer(name);
		const arrival = await this.#next(peer);
		if (arrival !== "closed")
			this.#fail("the end of the connection", describeArrival(arrival));
		peer.isConnected = false;
	}

	/** `refused CODES`: CONNACK or DISCONNECT in MQTT 5, and the end; `-` among the codes: or only the end. */
	async #refused(name: string, codes: string) {
		const peer = await this.#peer(name);
		const named = codes.split("|").filter((code) => code !== "-");
		const arrival = await this.#next(peer);
		if (arrival === "closed") {
			const mayBeSilent = codes.includes("-") || peer.context.version !== 5;
			if (!mayBeSilent) this.#fail(codes, describeArrival(arrival));
			peer.isConnected = false;
			return;
		}
		const packet = peer.isConnected ? "disconnect" : "connack";
		if (typeof arrival === "string" || peer.context.version !== 5)
			this.#fail("the end of the connection", describeArrival(arrival));
		const wrong = mismatch(
			`${packet} ${named.join("|")}`,
			arrival,
			peer.context,
			this.#captures,
		);
		if (wrong !== "")
			this.#fail(
				`${packet} ${codes}`,
				`${describeArrival(arrival)} (${wrong})`,
			);
		await this.#closed(name);
	}

	/** Never accepted: closed, with or without a CONNACK that says so in any form. */
	async #rejected(name: string) {
		const peer = await this.#peer(name);
		const arrival = await this.#next(peer);
		if (arrival === "closed") return;
		const bytes = typeof arrival === "string" ? null : arrival.bytes;
		if (bytes === null || bytes[0] !== 0x20 || !bytes[3])
			this.#fail("no acceptance", describeArrival(arrival));
		await this.#closed(name);
	}

	/** Everything sent so far has been handled, and nothing has come of it here. */
	async #quiet(name: string) {
		const peer = await this.#peer(name);
		await this.#settleOthers(name);
		await nextTurn();
		const answered = await peer.client.settle();
		const [first] = peer.client.pending;
		if (first !== undefined)
			this.#fail("nothing to arrive", describeArrival(first));
		if (!answered)
			this.#fail(
				"a PINGRESP",
				describeArrival(peer.client.isClosed ? "closed" : "timeout"),
			);
		peer.isDirty = false;
	}

	async #settleOthers(except: string) {
		for (const [name, peer] of this.#peers) {
			if (name === except || !peer.isDirty || peer.isMidPacket) continue;
			if (peer.isConnected && !peer.client.isClosed) await peer.client.settle();
			peer.isDirty = false;
		}
		for (let turn = 0; turn < 5; turn++) await nextTurn();
		await this.#target.runStore();
	}

	async #drop(name: string) {
		const peer = await this.#peer(name);
		await this.#settleOthers("");
		peer.client.destroy();
		peer.isConnected = false;
		for (let turn = 0; turn < 5; turn++) await nextTurn();
	}

	#fail(expected: string, got: string): never {
		throw new WireCaseError(
			`step: ${this.#step}\n  expected: ${expected}\n  received: ${got}`,
		);
	}
}
