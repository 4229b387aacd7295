/** How much memory this process may have, and has. Asks the system; keeps nothing. */
import { totalmem } from "node:os";

export interface MachineMemory {
	/** Bytes of RAM. */
	readonly ramBytes: number;
	/** What the control group (v1 or v2) allows; Infinity when it sets no limit. */
	readonly cgroupBytes: number;
}

export function machineMemory(): MachineMemory {
	const ramBytes = totalmem();
	const allowed = process.constrainedMemory() ?? 0;
	// Without a limit the system answers 0 or a number beyond any machine.
	const isLimit = allowed > 0 && allowed < ramBytes;
	return {
		ramBytes,
		cgroupBytes: isLimit ? allowed : Number.POSITIVE_INFINITY,
	};
}

/** Bytes of this process in RAM now. */
export function residentBytes(): number {
	return process.memoryUsage.rss();
}
