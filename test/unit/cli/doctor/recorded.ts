/** A machine made of recorded answers, for checks that never see a real one. */
import type {
	FileFacts,
	Machine,
	Seen,
	SpaceFacts,
	Unseen,
} from "../../../../src/cli/doctor/machine.ts";
import type {
	Check,
	RunningStatus,
	Situation,
} from "../../../../src/cli/doctor/situation.ts";
import { loadWithMistakes } from "../../../../src/config/config.ts";
import type { PortHolder } from "../../../../src/transport/port-holder.ts";
import { optionsOf } from "../../config/load.ts";

const MB = 1024 * 1024;

export interface Recording {
	uid?: number;
	ramBytes?: number;
	now?: string;
	/** By path, folders as lists of names. */
	texts?: Record<string, string | Buffer>;
	folders?: Record<string, readonly string[]>;
	files?: Record<string, Partial<FileFacts>>;
	/** By path or command: why nothing is seen. */
	unseen?: Record<string, Unseen>;
	/** By the command line. */
	outputs?: Record<string, string>;
	space?: Partial<SpaceFacts>;
	holder?: PortHolder;
}

export class RecordedMachine implements Machine {
	readonly uid: number;
	readonly userName = "pi";
	readonly ramBytes: number;
	readonly #recording: Recording;

	constructor(recording: Recording) {
		this.#recording = recording;
		this.uid = recording.uid ?? 1000;
		this.ramBytes = recording.ramBytes ?? 1024 * MB;
	}

	addresses(): readonly string[] {
		return ["127.0.0.1", "::1", "192.168.1.7"];
	}

	wallMs(): number {
		return Date.parse(this.#recording.now ?? "2026-11-21T12:00:00Z");
	}

	async text(path: string): Promise<Seen<string>> {
		return this.#seen(path, this.#recording.texts?.[path]?.toString());
	}

	async head(path: string, bytes: number): Promise<Seen<Buffer>> {
		const text = this.#recording.texts?.[path];
		const buffer = text === undefined ? undefined : Buffer.from(text);
		return this.#seen(path, buffer?.subarray(0, bytes));
	}

	async names(folder: string): Promise<Seen<readonly string[]>> {
		return this.#seen(folder, this.#recording.folders?.[folder]);
	}

	async file(path: string): Promise<Seen<FileFacts>> {
		const facts = this.#recording.files?.[path];
		const text = this.#recording.texts?.[path];
		if (facts === undefined && text === undefined)
			return this.#seen<FileFacts>(path, undefined);
		const usual = { uid: 0, gid: 0, mode: 0o644, bytes: 0, modifiedMs: 0 };
		return this.#seen(path, { kind: "file", ...usual, ...facts });
	}

	async space(): Promise<Seen<SpaceFacts>> {
		const usual = { freeBytes: 9e9, totalBytes: 3e10 };
		const inodes = { freeInodes: 1e6, inodes: 2e6 };
		return this.#seen("space", {
			...usual,
			...inodes,
			...this.#recording.space,
		});
	}

	async run(program: string, ...args: string[]): Promise<Seen<string>> {
		const line = [program, ...args].join(" ");
		const outputs = Object.entries(this.#recording.outputs ?? {});
		const output = outputs.find(([start]) => line.startsWith(start))?.[1];
		return this.#seen(program, output);
	}

	async processOf(): Promise<PortHolder | null> {
		return this.#recording.holder ?? null;
	}

	#seen<T>(place: string, value: T | undefined): Seen<T> {
		const why = this.#recording.unseen?.[place];
		if (why !== undefined) return { value: null, why };
		return value === undefined
			? { value: null, why: "missing" }
			: { value, why: null };
	}
}

export interface Given extends Recording {
	/** `key=value` */
	sets?: string[];
	running?: Partial<RunningStatus>;
	unit?: Record<string, string>;
	brokerUser?: Partial<Situation["brokerUser"]>;
	dataDir?: string;
	silence?: string;
}

export const brokerUser = { uid: 990, gid: 990, name: "broker", groups: [990] };

export function situationOf(given: Given): Situation {
	const { sets = [], running, unit } = given;
	const { config, problems } = loadWithMistakes(optionsOf({ sets }));
	return {
		machine: new RecordedMachine(given),
		config,
		problems,
		running:
			running === undefined
				? null
				: {
						pid: 4711,
						version: "0.1.0-dev",
						dataDir: "/var/lib/broker",
						...running,
					},
		silence: given.silence ?? (running === undefined ? "none there" : ""),
		unit: unit === undefined ? null : { Id: "broker.service", ...unit },
		dataDir: given.dataDir ?? "/var/lib/broker",
		brokerUser: { ...brokerUser, ...given.brokerUser },
	};
}

/** What a check finds, without what is well. */
export async function troubles(check: Check, given: Given) {
	const findings = await check.look(situationOf(given));
	return findings.filter(({ level }) => level !== "ok");
}

/** `level id`, one for each finding. */
export async function idsOf(check: Check, given: Given): Promise<string[]> {
	const findings = await check.look(situationOf(given));
	return findings.map(({ level, id }) => `${level} ${id}`);
}
