/**
 * What the broker does to the flash card: bytes written, at what pace, for what, and by
 * which topic. Asks the system for the bytes only when somebody wants to know, and every
 * ten minutes for the windows. Owned by the broker; main thread only.
 */
import type { Clock, TimerHandle } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { writtenBytes } from "../platform/written-bytes.ts";
import type { PageCounts } from "../store/page-counts.ts";
import type { StoreCounters } from "../store/store.ts";
import type { BusyTopic } from "../store/topic-writes.ts";
import { describeWear } from "./wear-words.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const SAMPLE_MS = 10 * MINUTE_MS;
/** A shorter time says nothing about a year. */
const LEAST_SPAN_MS = 5 * MINUTE_MS;
/** Pages of retained messages in an hour that are worth a word: about 10 GB a year. */
const CONSIDERABLE_PAGES = 300;

/** How much in which time. */
export interface WrittenIn {
	readonly bytes: number;
	readonly spanMs: number;
	/** At this pace; null while the time is too short to say. */
	readonly bytesPerYear: number | null;
}

/** A snapshot for whoever shows it. */
export interface WearStatus {
	/** Written by this process; null where the system does not tell. */
	readonly sinceStart: WrittenIn | null;
	/** The last hour or day, as far as the process is that old. */
	readonly lastHour: WrittenIn | null;
	readonly lastDay: WrittenIn | null;
	/** By this process and all before it that used the same database. */
	readonly lifetimeBytes: number | null;
	/** Pages of the database (4 KiB) since the start, by what they were written for. */
	readonly pages: Readonly<PageCounts>;
	/** The topic whose retained message was written most often within the last hour. */
	readonly busiestTopic: BusyTopic | null;
	/** All of this in one sentence. */
	readonly words: string;
}

interface Sample {
	readonly atMs: number;
	readonly bytes: number;
	readonly retainedPages: number;
}

export interface WearParts {
	readonly clock: Clock;
	readonly log: Logger;
	readonly counters: StoreCounters;
	/** Stands in for the system in tests. */
	readonly written?: () => number | null;
}

export class Wear {
	readonly #parts: WearParts;
	readonly #written: () => number | null;
	/** The oldest first: one at the start, then one every ten minutes of the last day. */
	readonly #samples: Sample[] = [];
	#startMs = 0;
	#startBytes = 0;
	#timer: TimerHandle | null = null;
	#topicsSinceMs = 0;
	#busiestBefore: BusyTopic | null = null;
	#warnedAtMs = Number.NEGATIVE_INFINITY;

	constructor(parts: WearParts) {
		this.#parts = parts;
		this.#written = parts.written ?? (() => writtenBytes("process"));
	}

	/** Counts from here: the database is open. */
	start(): void {
		const first = this.#sample();
		this.#startMs = first.atMs;
		this.#startBytes = first.bytes;
		this.#topicsSinceMs = first.atMs;
		this.#samples.push(first);
		this.#arm();
	}

	stop(): void {
		if (this.#timer !== null) this.#parts.clock.clearTimer(this.#timer);
		this.#timer = null;
	}

	get status(): WearStatus {
		const { counters } = this.#parts;
		const isKnown = this.#written() !== null;
		const now = this.#sample();
		const since = (ms: number) =>
			isKnown ? between(this.#oldestWithin(now.atMs - ms), now) : null;
		const sinceStart = isKnown
			? between({ ...now, atMs: this.#startMs, bytes: this.#startBytes }, now)
			: null;
		const figures = {
			sinceStart,
			lastHour: since(HOUR_MS),
			lastDay: since(DAY_MS),
			lifetimeBytes:
				sinceStart === null ? null : counters.earlierBytes + sinceStart.bytes,
			pages: counters.pages,
			busiestTopic: counters.topicWrites.busiest() ?? this.#busiestBefore,
		};
		return { ...figures, words: describeWear(figures) };
	}

	#arm(): void {
		this.#timer = this.#parts.clock.setTimer(() => {
			this.#arm();
			this.#look();
		}, SAMPLE_MS);
	}

	#look(): void {
		const now = this.#sample();
		while (now.atMs - (this.#samples[0]?.atMs ?? now.atMs) > DAY_MS)
			this.#samples.shift();
		this.#samples.push(now);
		if (now.atMs - this.#topicsSinceMs < HOUR_MS) return;
		const hourAgo = this.#oldestWithin(this.#topicsSinceMs);
		this.#endHour(now, now.retainedPages - hourAgo.retainedPages);
	}

	#endHour({ atMs }: Sample, retainedPages: number): void {
		const { topicWrites } = this.#parts.counters;
		const busiest = topicWrites.busiest();
		topicWrites.clear();
		this.#topicsSinceMs = atMs;
		this.#busiestBefore = busiest;
		if (busiest === null || busiest.share <= 0.5) return;
		if (retainedPages < CONSIDERABLE_PAGES) return;
		if (atMs - this.#warnedAtMs < DAY_MS) return;
		this.#warnedAtMs = atMs;
		this.#warn(busiest, retainedPages);
	}

	#warn(busiest: BusyTopic, retainedPages: number): void {
		const { topic, writes, share, isLazy } = busiest;
		const key = `retained.${topic}.write_every = 60s`;
		this.#parts.log.store.warning(
			"one topic causes most of what retained messages write to the disk",
			{
				topic,
				writes_in_an_hour: writes,
				share: `${Math.round(share * 100)} %`,
				kilobytes_in_an_hour: retainedPages * 4,
				mend: isLazy ? key : `publish it with QoS 0 and set ${key}`,
			},
		);
	}

	#sample(): Sample {
		const { clock, counters } = this.#parts;
		return {
			atMs: clock.monotonicMs(),
			bytes: this.#written() ?? 0,
			retainedPages: counters.pages.retained,
		};
	}

	#oldestWithin(fromMs: number): Sample {
		const found = this.#samples.find(({ atMs }) => atMs >= fromMs);
		return found ?? this.#samples.at(-1) ?? this.#sample();
	}
}

function between(from: Sample, to: Sample): WrittenIn {
	const bytes = to.bytes - from.bytes;
	const spanMs = to.atMs - from.atMs;
	const bytesPerYear =
		spanMs < LEAST_SPAN_MS ? null : (bytes / spanMs) * YEAR_MS;
	return { bytes, spanMs, bytesPerYear };
}
