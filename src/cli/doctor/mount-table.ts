/** Which file system a path is on [proc(5), /proc/self/mountinfo]. Pure. */

export interface Mount {
	readonly point: string;
	readonly type: string;
	/** `/dev/mmcblk0p2`. */
	readonly source: string;
	/** Of the mount and of the file system. */
	readonly options: readonly string[];
}

export function parseMounts(text: string): Mount[] {
	const mounts: Mount[] = [];
	for (const line of text.split("\n")) {
		const [left = "", right = ""] = line.split(" - ");
		const [, , , , point, options] = left.split(" ");
		const [type, source, superOptions] = right.split(" ");
		if (point === undefined || type === undefined) continue;
		mounts.push({
			point: unescaped(point),
			type,
			source: unescaped(source ?? ""),
			options: [
				...(options ?? "").split(","),
				...(superOptions ?? "").split(","),
			],
		});
	}
	return mounts;
}

/** @param path absolute; links in it are not followed */
export function mountOf(mounts: readonly Mount[], path: string): Mount | null {
	let best: Mount | null = null;
	for (const mount of mounts) {
		const folder = mount.point === "/" ? "/" : `${mount.point}/`;
		if (!`${path}/`.startsWith(folder)) continue;
		// The later one lies over the earlier one.
		if (best === null || mount.point.length >= best.point.length) best = mount;
	}
	return best;
}

/** Its files are on another machine. */
export function isOnNetwork({ type }: Mount): boolean {
	return /^(nfs|cifs|smb|9p|ceph|glusterfs|fuse\.(sshfs|rclone|glusterfs))/.test(
		type,
	);
}

/** A look at it may wait for ever, when its server or its program is gone. */
export function mayHang(mount: Mount): boolean {
	return isOnNetwork(mount) || /^(fuse|autofs)/.test(mount.type);
}

function unescaped(text: string): string {
	return text.replaceAll(/\\([0-7]{3})/g, (_, octal) =>
		String.fromCharCode(Number.parseInt(octal, 8)),
	);
}
