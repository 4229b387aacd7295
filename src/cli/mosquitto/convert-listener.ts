/** One listener of mosquitto as lines of our file. */
import type { NetworkInterfaceInfo } from "node:os";
import { parseAddress } from "../../config/values.ts";
import type { ConfBlocks, ListenerBlock } from "./conf-blocks.ts";
import type { ConfLine } from "./conf-file.ts";
import {
	type Finding,
	finding,
	kept,
	placeOf,
	type Status,
	setting,
} from "./conversion.ts";
import { optionSpec } from "./options.ts";
import { type Opening, openingOf } from "./protection.ts";

export type Interfaces = Readonly<
	Record<string, readonly NetworkInterfaceInfo[] | undefined>
>;

export interface ListenerNames {
	/** Names that are given already, `tcp.port1883`. */
	readonly used: Set<string>;
	/** Addresses that are taken already, `127.0.0.1:1883`. */
	readonly places: Set<string>;
}

export interface ConvertedListener {
	readonly lines: readonly string[];
	readonly findings: readonly Finding[];
	/** Nothing is opened for it. */
	readonly isClosed: boolean;
}

const loopbackHosts = ["127.0.0.1", "[::1]"];

export function convertListener(
	listener: ListenerBlock,
	conf: ConfBlocks,
	interfaces: Interfaces,
	names: ListenerNames,
): ConvertedListener {
	return new ListenerConversion(listener, conf, interfaces, names).convert();
}

class ListenerConversion {
	readonly #listener: ListenerBlock;
	readonly #interfaces: Interfaces;
	readonly #names: ListenerNames;
	readonly #isLocalOnly: boolean;
	readonly #opening: Opening;
	readonly #lines: string[] = [];
	readonly #findings: Finding[] = [];

	constructor(
		listener: ListenerBlock,
		conf: ConfBlocks,
		interfaces: Interfaces,
		names: ListenerNames,
	) {
		this.#listener = listener;
		this.#interfaces = interfaces;
		this.#names = names;
		this.#isLocalOnly = conf.isLocalOnly;
		this.#opening = openingOf(listener, conf);
	}

	convert(): ConvertedListener {
		const addresses = this.#addresses();
		const key = this.#key();
		const opening = this.#opening;
		let isClosed = true;
		if (typeof addresses === "string") this.#close(key, [], addresses);
		else if (this.#protocol() === null)
			this.#close(key, addresses, "there is no listener of this protocol yet");
		else if (opening.kind === "closed")
			this.#close(key, addresses, reasons(opening.because));
		else isClosed = !this.#open(key, addresses, opening);
		for (const line of this.#listener.lines)
			this.#convertLine(line, key, isClosed);
		return { lines: this.#lines, findings: this.#findings, isClosed };
	}

	/** @returns whether it was opened */
	#open(
		key: string,
		addresses: readonly string[],
		opening: Exclude<Opening, { kind: "closed" }>,
	): boolean {
		const { start, path } = this.#listener;
		const isLocal = path !== "" || addresses.every(isLoopback);
		const isGuarded = opening.kind === "loopback";
		const narrowed =
			isGuarded && !isLocal
				? loopbackHosts.map((host) => `${host}:${this.#listener.port}`)
				: addresses;
		const free = narrowed.filter((place) => !this.#names.places.has(place));
		if (free.length === 0) {
			this.#close(key, addresses, "another listener has its address already");
			return false;
		}
		for (const place of free) this.#names.places.add(place);
		const text = free.join(", ");
		if (isGuarded) this.#explainGuard(key, addresses, opening.because);
		this.#lines.push(setting(key, text, start));
		const anonymous = isGuarded || isLocal ? "loopback" : "on";
		const value =
			opening.kind === "open" && !opening.anonymous ? "off" : anonymous;
		this.#lines.push(setting(`${key}.allow_anonymous`, value, null));
		this.#reportOpening(`${key} = ${text}`, value, isGuarded, isLocal);
		return true;
	}

	#explainGuard(
		key: string,
		addresses: readonly string[],
		because: readonly ConfLine[],
	): void {
		this.#lines.push(
			`# PROTECTED in mosquitto: ${reasons(because)}.`,
			"# Until that exists here it is open to this machine only. It was:",
			`#${key} = ${addresses.join(", ")}`,
			...because.map(kept),
		);
	}

	#reportOpening(
		what: string,
		anonymous: string,
		isGuarded: boolean,
		isLocal: boolean,
	): void {
		if (isGuarded)
			this.#report(
				"protected",
				`${what}: open to this machine only, as what kept others out does not exist here yet`,
			);
		else if (anonymous === "off")
			this.#report(
				"mapped with a difference",
				`${what}: mosquitto 2 lets in nobody here without allow_anonymous true (mosquitto 1 did); to let in anybody, set its allow_anonymous = on`,
			);
		else if (isLocal) this.#report("mapped", what);
		else
			this.#report(
				"mapped",
				`${what}: anybody who reaches it may connect, as in mosquitto`,
			);
	}

	#close(key: string, addresses: readonly string[], why: string): void {
		const encrypted = /encrypted/.test(why);
		const shownKey = encrypted
			? key.replace(/^listener\.(tcp|ws)/, (_, transport) =>
					transport === "tcp" ? "listener.ssl" : "listener.wss",
				)
			: key;
		this.#lines.push(
			`# NOT OPENED: ${why}.`,
			`#${shownKey} = ${addresses.join(", ") || this.#listener.port}`,
		);
		const because =
			this.#opening.kind === "closed" ? this.#opening.because : [];
		this.#lines.push(...because.map(kept));
		this.#report("protected", `is not opened: ${why}`);
	}

	#report(status: Status, words: string): void {
		const { start } = this.#listener;
		if (start === null)
			this.#findings.push({
				status,
				where: "",
				text: this.#isLocalOnly ? "(no listener)" : "(the default listener)",
				words,
			});
		else this.#findings.push(finding(start, status, words));
	}

	#convertLine(line: ConfLine, key: string, isClosed: boolean): void {
		const spec = optionSpec(line.option);
		if (spec?.fate === "guard") {
			this.#findings.push(finding(line, "later", spec.why));
		} else if (spec?.fate === "later") {
			this.#findings.push(finding(line, "later", spec.why));
			this.#lines.push(kept(line));
		} else if (spec?.fate === "mapped" && spec.ofListener === true) {
			const { value, difference } = spec.convert(line.value);
			if (value === null) {
				this.#findings.push(finding(line, "not mapped", difference));
				return;
			}
			const text = setting(`${key}.${spec.key}`, value, line);
			this.#lines.push(isClosed ? `#${text}` : text);
			this.#findings.push(
				finding(
					line,
					difference === undefined ? "mapped" : "mapped with a difference",
					`${key}.${spec.key} = ${value}${difference === undefined ? "" : `: ${difference}`}`,
				),
			);
		}
	}

	/** @returns why there are none, in words */
	#addresses(): readonly string[] | string {
		const { path, host, port, start } = this.#listener;
		if (path !== "") return [path];
		if (!(port > 0 && port < 65_536))
			return start === null
				? "its port is no port"
				: `${placeOf(start)}: its port is no port`;
		if (this.#isLocalOnly) return loopbackHosts.map((one) => `${one}:${port}`);
		const hosts = host === "" ? this.#allHosts() : [bracketed(host)];
		if (typeof hosts === "string") return hosts;
		try {
			for (const one of hosts) parseAddress(`${one}:${port}`);
		} catch (error) {
			return (error as Error).message;
		}
		return hosts.map((one) => `${one}:${port}`);
	}

	#allHosts(): readonly string[] | string {
		const name = this.#value("bind_interface");
		const domain = this.#value("socket_domain");
		const wants = (isV6: boolean) =>
			isV6 ? domain !== "ipv4" : domain !== "ipv6";
		if (name === "")
			return [
				...(wants(false) ? ["0.0.0.0"] : []),
				...(wants(true) ? ["[::]"] : []),
			];
		const found = (this.#interfaces[name] ?? [])
			.filter(({ family }) => wants(family === "IPv6"))
			.filter(({ address }) => !address.startsWith("fe80:"))
			.map(({ address }) => bracketed(address));
		return found.length > 0
			? found
			: `the network interface ${name} has no address now, and listeners have addresses here`;
	}

	#protocol(): "tcp" | "ws" | "unix" | null {
		if (this.#listener.path !== "") return "unix";
		const protocol = this.#value("protocol");
		if (protocol === "websockets") return "ws";
		return protocol === "" || protocol === "mqtt" ? "tcp" : null;
	}

	/** The last value of an option; empty when it is not there. */
	#value(option: string): string {
		const line = this.#listener.lines.findLast((one) => one.option === option);
		return line?.value.split(/\s/, 1)[0] ?? "";
	}

	#key(): string {
		const { start, port, path } = this.#listener;
		const transport = this.#protocol() ?? "tcp";
		const plain =
			start === null ? "default" : path === "" ? `port${port}` : "local";
		let name = `${transport}.${plain}`;
		for (let count = 2; this.#names.used.has(name); count++)
			name = `${transport}.${plain}-${count}`;
		this.#names.used.add(name);
		return `listener.${name}`;
	}
}

function reasons(because: readonly ConfLine[]): string {
	const words = because.map(({ option }) => {
		const spec = optionSpec(option);
		return spec?.fate === "guard" ? spec.why : option;
	});
	return [...new Set(words)].join("; ");
}

function bracketed(host: string): string {
	return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function isLoopback(address: string): boolean {
	return (
		address.startsWith("127.") ||
		address.startsWith("[::1]:") ||
		address.startsWith("localhost:")
	);
}
