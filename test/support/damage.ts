/** Damages to the files of a database, as flash cards and power cuts do them; each repeats with its seed. */
import {
	existsSync,
	readFileSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { Random } from "../soak/random.ts";

const PAGE_BYTES = 4096;
const FRAME_BYTES = 24 + PAGE_BYTES;

type Damage = (path: string, random: Random) => void;

/** Overwrites some bytes of a file. */
function change(path: string, edit: (bytes: Buffer) => void): void {
	const bytes = readFileSync(path);
	edit(bytes);
	writeFileSync(path, bytes);
}

function pageOf(bytes: Buffer, random: Random): Buffer {
	const page = random.below(Math.ceil(bytes.length / PAGE_BYTES));
	return bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
}

function flip(bytes: Buffer, random: Random, count: number): void {
	for (let left = bytes.length === 0 ? 0 : count; left > 0; left--) {
		const at = random.below(bytes.length);
		bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
	}
}

const damages: Readonly<Record<string, Damage>> = {
	"one bit flipped": (path, random) =>
		change(path, (bytes) => flip(bytes, random, 1)),
	"a hundred bits flipped": (path, random) =>
		change(path, (bytes) => flip(bytes, random, 100)),
	"bits flipped in the first page": (path, random) =>
		change(path, (bytes) => flip(bytes.subarray(0, PAGE_BYTES), random, 5)),
	"bits flipped in the header": (path, random) =>
		change(path, (bytes) => flip(bytes.subarray(0, 100), random, 3)),
	"a garbage header": (path, random) =>
		change(path, (bytes) => {
			for (let at = 0; at < 100; at++) bytes[at] = random.below(256);
		}),
	"the first page zeroed": (path) =>
		change(path, (bytes) => bytes.fill(0, 0, PAGE_BYTES)),
	"pages zeroed": (path, random) =>
		change(path, (bytes) => {
			for (let left = 1 + random.below(5); left > 0; left--)
				pageOf(bytes, random).fill(0);
		}),
	"a page of garbage": (path, random) =>
		change(path, (bytes) => {
			const page = pageOf(bytes, random);
			for (let at = 0; at < page.length; at++) page[at] = random.below(256);
		}),
	"two pages swapped": (path, random) =>
		change(path, (bytes) => {
			const [one, other] = [pageOf(bytes, random), pageOf(bytes, random)];
			if (one.length !== other.length) return;
			const copy = Buffer.from(one);
			other.copy(one);
			copy.copy(other);
		}),
	"a stretch erased as flash does it": (path, random) =>
		change(path, (bytes) => {
			const from = random.below(bytes.length);
			bytes.fill(0xff, from, Math.min(from + 32 * 1024, bytes.length));
		}),
	truncated: (path, random) =>
		truncateSync(path, random.below(readFileSync(path).length)),
	"zero length": (path) => truncateSync(path, 0),
	"no log": (path) => rmSync(`${path}-wal`, { force: true }),
	"the log truncated": (path, random) =>
		changeLog(path, (log) =>
			truncateSync(log, random.below(readFileSync(log).length)),
		),
	"the log's last frame half written": (path, random) =>
		changeLog(path, (log) =>
			change(log, (bytes) => {
				const half = random.below(FRAME_BYTES - 512);
				bytes.fill(0, bytes.length - half);
			}),
		),
	"bits flipped in the log": (path, random) =>
		changeLog(path, (log) => change(log, (bytes) => flip(bytes, random, 3))),
	"the log's header destroyed": (path) =>
		changeLog(path, (log) => change(log, (bytes) => bytes.fill(0, 0, 32))),
	"the file gone, its log left": (path) => rmSync(path),
};

export const damageNames: readonly string[] = Object.keys(damages);

/** @returns what was done, in words */
export function damage(path: string, seed: number): string {
	const random = new Random(seed);
	const name = damageNames[seed % damageNames.length] ?? "";
	damages[name]?.(path, random);
	return name;
}

function changeLog(path: string, edit: (log: string) => void): void {
	const log = `${path}-wal`;
	if (existsSync(log) && readFileSync(log).length > 0) edit(log);
}
