/** A mosquitto.conf as the text of a broker.conf, and what became of each of its lines. */
import { coreFragments } from "../../config/schema.ts";
import { parseValue } from "../../config/values.ts";
import {
	type BridgeBlock,
	type ConfBlocks,
	type ListenerBlock,
	sortConf,
} from "./conf-blocks.ts";
import type { ConfFiles, ConfLine } from "./conf-file.ts";
import { type Finding, finding, kept, placeOf, setting } from "./conversion.ts";
import {
	type ConvertedListener,
	convertListener,
	type Interfaces,
} from "./convert-listener.ts";
import { periodSeconds, truth } from "./option-values.ts";
import { optionSpec } from "./options.ts";
import { structureFindings } from "./structure.ts";

export interface ConvertOptions {
	readonly interfaces: Interfaces;
	/** `--data`; null when the broker's own default holds. */
	readonly dataFolder: string | null;
}

export interface ConvertedConf {
	readonly text: string;
	readonly findings: readonly Finding[];
	/** Whether mosquitto itself uses the client id, for one of its bridges. */
	isBridge(clientId: string): boolean;
	/** `persistent_client_expiration` of mosquitto in seconds; Infinity for none. */
	readonly expirySeconds: number;
	readonly isPersistent: boolean;
	/** Of persistence_location, with its default. */
	readonly databaseFile: string;
}

export function convertConf(
	conf: ConfFiles,
	options: ConvertOptions,
): ConvertedConf {
	return new Conversion(conf, options).convert();
}

const RULE = `# ${"-".repeat(76)}`;

class Conversion {
	readonly #conf: ConfFiles;
	readonly #blocks: ConfBlocks;
	readonly #options: ConvertOptions;
	readonly #findings: Finding[] = [];
	readonly #text: string[] = [];

	constructor(conf: ConfFiles, options: ConvertOptions) {
		this.#conf = conf;
		this.#blocks = sortConf(conf.lines);
		this.#options = options;
	}

	convert(): ConvertedConf {
		this.#begin();
		this.#convertBroker();
		this.#convertListeners();
		this.#keepRest();
		const { broker } = this.#blocks;
		const last = (...names: string[]) =>
			broker.findLast(({ option }) => names.includes(option))?.value ?? "";
		const location = last("persistence_location");
		const name = last("persistence_file") || "mosquitto.db";
		return {
			text: `${this.#text.join("\n")}\n`,
			findings: this.#inOrder(),
			isBridge: (clientId) =>
				this.#blocks.bridges.some((bridge) => usesId(bridge, clientId)),
			expirySeconds: periodSeconds(last("persistent_client_expiration")),
			isPersistent: truth(last("persistence", "retained_persistence")) === true,
			databaseFile:
				location === "" ? name : `${location.replace(/\/+$/, "")}/${name}`,
		};
	}

	#begin(): void {
		const { dataFolder } = this.#options;
		this.#text.push(
			`# Made by \`broker import mosquitto\` from ${this.#conf.files.join(", ")}.`,
			"# Lines that begin with # do not act: what they say does not exist here yet, or is kept as a reminder.",
			"",
		);
		if (dataFolder !== null)
			this.#text.push(setting("data_dir", dataFolder, null), "");
	}

	#convertBroker(): void {
		const { broker, listeners } = this.#blocks;
		const perListener = listeners.flatMap(({ lines }) =>
			lines.filter(({ option }) => option === "allow_zero_length_clientid"),
		);
		const lines = [...broker, ...perListener];
		const counts = new Map<string, ConfLine>();
		for (const line of lines) counts.set(line.option, line);
		for (const line of lines) {
			const spec = optionSpec(line.option);
			if (spec?.fate !== "mapped" || spec.ofListener) continue;
			if (counts.get(line.option) !== line) {
				this.#findings.push(
					finding(line, "not mapped", "a later line of the same option counts"),
				);
				continue;
			}
			const { value, difference } = spec.convert(line.value);
			if (value === null)
				this.#findings.push(finding(line, "not mapped", difference));
			else this.#set([[spec.key, value]], line, difference ?? spec.difference);
		}
		const structure = structureFindings(this.#blocks);
		for (const { line, settings, difference } of structure.settings)
			this.#set(settings, line, difference);
		this.#findings.push(...structure.findings);
		this.#text.push("");
	}

	/** What our own check would refuse is not written. */
	#set(
		settings: readonly (readonly [key: string, value: string])[],
		line: ConfLine,
		difference: string | undefined,
	): void {
		const problem = settings.map(problemOf).find((words) => words !== null);
		if (problem !== undefined) {
			this.#findings.push(finding(line, "not mapped", problem));
			return;
		}
		for (const [key, value] of settings)
			this.#text.push(setting(key, value, line));
		const made = settings.map(([key, value]) => `${key} = ${value}`).join(", ");
		this.#findings.push(
			finding(
				line,
				difference === undefined ? "mapped" : "mapped with a difference",
				difference === undefined ? made : `${made}: ${difference}`,
			),
		);
	}

	#convertListeners(): void {
		const names = { used: new Set<string>(), places: new Set<string>() };
		const { interfaces } = this.#options;
		const converted: ConvertedListener[] = [];
		for (const listener of this.#listeners()) {
			const one = convertListener(listener, this.#blocks, interfaces, names);
			converted.push(one);
			this.#text.push(...one.lines, "");
			this.#findings.push(...one.findings);
		}
		if (converted.some(({ isClosed }) => !isClosed)) return;
		this.#text.push(
			"# None of mosquitto's listeners can be opened as it was, so nothing is open. To serve",
			"# clients of this machine without a password, take these two lines away:",
			"listener.tcp.default = off",
			"listener.ws.default = off",
			"",
		);
	}

	/** Those that mosquitto would open. */
	#listeners(): readonly ListenerBlock[] {
		const { listeners, isLocalOnly } = this.#blocks;
		if (!isLocalOnly || listeners.length > 0) return listeners;
		return [{ start: null, port: 1883, host: "", path: "", lines: [] }];
	}

	/** What does not act is kept as comments. */
	#keepRest(): void {
		const { broker, bridges, unknown } = this.#blocks;
		const waiting: string[] = [];
		for (const line of broker) {
			const spec = optionSpec(line.option);
			if (spec?.fate === "not needed" || spec?.fate === "not mapped")
				this.#findings.push(finding(line, spec.fate, spec.why));
			if (spec?.fate !== "guard" && spec?.fate !== "later") continue;
			this.#findings.push(finding(line, "later", spec.why));
			waiting.push(kept(line));
		}
		this.#section(
			"Users, rules and plugins: these do not exist here yet",
			waiting,
		);
		for (const { name, lines } of bridges) {
			const words = "there are no bridges yet: nothing is forwarded";
			for (const line of lines)
				this.#findings.push(finding(line, "later", words));
			this.#section(
				`Bridge ${name}: there are no bridges yet`,
				lines.map(kept),
			);
		}
		for (const line of unknown)
			this.#findings.push(
				finding(line, "unknown", "mosquitto has no such option, or not here"),
			);
		this.#section("Not known to mosquitto", unknown.map(kept));
	}

	#section(title: string, lines: readonly string[]): void {
		if (lines.length === 0) return;
		this.#text.push(RULE, `# ${title}`, RULE, ...lines, "");
	}

	/** As the lines stand in mosquitto's files; what it does by itself comes last. */
	#inOrder(): readonly Finding[] {
		const places = new Map(
			this.#conf.lines.map((line, index) => [placeOf(line), index]),
		);
		const rank = ({ where }: Finding) =>
			places.get(where) ?? Number.POSITIVE_INFINITY;
		return this.#findings.toSorted((a, b) => rank(a) - rank(b) || 0);
	}
}

/** What our own check says; null when nothing. */
function problemOf([key, value]: readonly [string, string]): string | null {
	const field = coreFragments
		.flatMap(({ fields }) => fields)
		.find((one) => one.key === key);
	if (field === undefined) return null;
	try {
		parseValue(field, value);
		return null;
	} catch (error) {
		return `${key} ${(error as Error).message}`;
	}
}

/** By default it is `local.HOST.NAME`. */
function usesId({ name, lines }: BridgeBlock, clientId: string): boolean {
	const last = (...names: string[]) =>
		lines.findLast(({ option }) => names.includes(option))?.value;
	const local = last("local_clientid");
	if (local !== undefined) return clientId === local;
	const remote = last("remote_clientid", "clientid");
	if (remote !== undefined) return clientId === `local.${remote}`;
	return clientId.startsWith("local.") && clientId.endsWith(`.${name}`);
}
