/** A disk that takes longer for each sync than this machine's. Needs a C compiler. */
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @returns environment variables for the process that is to have the slow disk */
export function slowSync(milliseconds: number): Record<string, string> {
	if (milliseconds === 0) return {};
	const library = join(mkdtempSync(join(tmpdir(), "slow-sync-")), "sync.so");
	const source = join(import.meta.dirname, "slow-sync.c");
	execFileSync("cc", ["-O2", "-shared", "-fPIC", "-o", library, source]);
	return { LD_PRELOAD: library, SLOW_SYNC_MS: String(milliseconds) };
}
