/** What `broker --version` says. The bundle has these built in. */
declare const __BROKER_VERSION__: string | undefined;
/** Of the sources, with `+changes` where they differ from it; empty when unknown. */
declare const __BROKER_COMMIT__: string | undefined;
declare const __SQLITE_VERSION__: string | undefined;

/** From the sources it is always the one in progress. */
export const version =
	typeof __BROKER_VERSION__ === "string" ? __BROKER_VERSION__ : "0.1.0-dev";

export function versionText(): string {
	const { node, v8 } = process.versions;
	const parts = [
		`node ${node}`,
		`v8 ${v8}`,
		`${process.platform}-${process.arch}`,
	];
	if (typeof __SQLITE_VERSION__ === "string") {
		parts.splice(2, 0, `sqlite ${__SQLITE_VERSION__}`);
	}
	if (typeof __BROKER_COMMIT__ === "string" && __BROKER_COMMIT__ !== "") {
		parts.push(`commit ${__BROKER_COMMIT__}`);
	}
	return `broker ${version} (${parts.join(", ")})\n`;
}
