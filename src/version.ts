/** What `broker --version` says. */
declare const __BROKER_VERSION__: string | undefined;

/** The bundle has it built in; from the sources it is always the one in progress. */
export const version =
	typeof __BROKER_VERSION__ === "string" ? __BROKER_VERSION__ : "0.1.0-dev";

export function versionText(): string {
	const { node, v8 } = process.versions;
	return `broker ${version} (node ${node}, v8 ${v8}, ${process.platform}-${process.arch})\n`;
}
