/**
 * A lock on a folder, for as long as the process lives: tells other brokers that the
 * state of this folder is in use though no file in it is open [flock(2)].
 */
import { openSync } from "node:fs";
import { loadFfi } from "./ffi.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Locked folders and their descriptors, which stay open. */
const held = new Map<string, number>();

/**
 * Takes the lock where nobody has it and the system can: who has it is for those to find
 * who look at the list of locks.
 */
export function lockFolder(folder: string): void {
	const ffi = loadFfi();
	if (ffi === null || held.has(folder)) return;
	let descriptor: number;
	try {
		descriptor = openSync(folder, "r");
	} catch {
		return; // what is not there is in nobody's way
	}
	const { flock } = ffi.dlopen(null, {
		flock: { return: "i32", arguments: ["i32", "i32"] },
	}).functions;
	held.set(folder, descriptor);
	flock(descriptor, LOCK_EX | LOCK_NB);
}
