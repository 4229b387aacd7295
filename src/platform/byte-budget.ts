/**
 * A memory ceiling in bytes. Every queue, buffer and cache that grows with clients
 * or traffic charges what it holds here and releases it when it lets go.
 *
 * A budget may have a parent: charging the child charges the parent too, so one
 * number at the top tells what the whole process holds for its clients.
 */
export class ByteBudget {
	readonly name: string;
	readonly key: string;
	readonly parent: ByteBudget | null;
	limit: number;
	/** Bytes charged now. */
	used = 0;
	/** The most that was ever charged at once. */
	peak = 0;

	/**
	 * @param name what is counted, as an operator would call it ("outboxes")
	 * @param limit bytes; Infinity for a budget that only counts
	 * @param key the config key that raises the limit, for log lines
	 */
	constructor(
		name: string,
		limit: number,
		key: string,
		parent: ByteBudget | null = null,
	) {
		this.name = name;
		this.limit = limit;
		this.key = key;
		this.parent = parent;
	}

	/** Charges without asking: for what has to be kept whatever it costs. */
	charge(bytes: number): void {
		this.used += bytes;
		if (this.used > this.peak) this.peak = this.used;
		if (this.parent !== null) this.parent.charge(bytes);
	}

	/** Charges when this budget and all above it have room; false (and no change) when not. */
	tryCharge(bytes: number): boolean {
		if (!this.hasRoom(bytes)) return false;
		this.charge(bytes);
		return true;
	}

	hasRoom(bytes: number): boolean {
		if (this.used + bytes > this.limit) return false;
		return this.parent === null || this.parent.hasRoom(bytes);
	}

	/** For what is counted elsewhere: charges or releases the difference. */
	setTo(bytes: number): void {
		if (bytes > this.used) this.charge(bytes - this.used);
		else if (bytes < this.used) this.release(this.used - bytes);
	}

	release(bytes: number): void {
		this.used -= bytes;
		if (this.parent !== null) this.parent.release(bytes);
	}
}
