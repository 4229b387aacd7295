/**
 * What root does in a folder of another user is done as that user, so that the broker,
 * which runs as that user, finds files that it may write.
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { CommandFailure } from "../platform/command.ts";

/** Does something in between with the rights that the command was called with. */
export type AsCaller = <T>(work: () => Promise<T>) => Promise<T>;

/** @throws CommandFailure when the folder does not exist: nobody knows whose it would be */
export async function asOwnerOf<T>(
	folder: string,
	work: (asCaller: AsCaller) => Promise<T>,
): Promise<T> {
	const asIs: AsCaller = (inner) => inner();
	const owner = statSync(folder, { throwIfNoEntry: false });
	if (process.geteuid?.() !== 0) return work(asIs);
	if (owner === undefined)
		throw new CommandFailure(
			`there is no folder ${folder}: make it, with the owner that the broker runs as`,
		);
	if (owner.uid === 0) return work(asIs);
	const caller: Identity = {
		uid: 0,
		gid: process.getegid?.() ?? 0,
		groups: process.getgroups?.() ?? [],
		workingFolder: process.cwd(),
	};
	const { uid, gid } = owner;
	// The runtime looks around where it is, which need not be a place for this user.
	const workingFolder = resolve(folder);
	const ownIdentity: Identity = { uid, gid, groups: [gid], workingFolder };
	return inTurn(ownIdentity, caller, () =>
		work((inner) => inTurn(caller, ownIdentity, inner)),
	);
}

interface Identity {
	readonly uid: number;
	readonly gid: number;
	readonly groups: readonly number[];
	readonly workingFolder: string;
}

async function inTurn<T>(
	during: Identity,
	after: Identity,
	work: () => Promise<T>,
): Promise<T> {
	become(during);
	try {
		return await work();
	} finally {
		become(after);
	}
}

/** Of the whole process, all its threads. */
function become({ uid, gid, groups, workingFolder }: Identity): void {
	process.seteuid?.(0); // only root may choose groups
	process.chdir(workingFolder);
	process.setgroups?.([...groups]);
	process.setegid?.(gid);
	process.seteuid?.(uid);
}
