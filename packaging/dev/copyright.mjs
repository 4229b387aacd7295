// Debian's copyright file (DEP-5): the project's own licence, and the texts of all that is
// in the binary.

import { runtimeVersion } from "./binary.mjs";
import { bundledPackages, sqliteVersion } from "./bundle.mjs";
import { nodeLicence } from "./licences.mjs";

/** SPDX names of licences whose texts Debian's base system has. */
const standalone = `License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
`;

export function copyrightFile() {
	const packages = bundledPackages();
	const paragraphs = packages.map(
		({ name, version, license, text }) =>
			`Files: usr/bin/broker
Copyright:${indented(copyrightLines(text))}
License: ${license}-${name.replace(/\W+/g, "-")}
${licenceText(text)}
Comment: ${name} ${version}, bundled.`,
	);
	return [
		`Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: broker
Comment: /usr/bin/broker is one file that holds the broker, the packages below, SQLite
 ${sqliteVersion()} (public domain) and Node.js ${runtimeVersion()}. \`broker --licenses\` prints the same texts.`,
		`Files: *
Copyright: the authors of the broker
License: Apache-2.0`,
		...paragraphs,
		`Files: usr/bin/broker usr/lib/broker/better_sqlite3.node
Copyright: none
License: public-domain
 SQLite is in the public domain; see https://sqlite.org/copyright.html
Comment: SQLite ${sqliteVersion()}.`,
		`Files: usr/bin/broker
Copyright: Node.js contributors and others, as named in the text
License: Node.js
${licenceText(nodeLicence())}
Comment: Node.js ${runtimeVersion()} and what it is made of.`,
		standalone,
	].join("\n\n");
}

function copyrightLines(text) {
	const lines = text
		.split("\n")
		.map((line) => line.trim())
		.filter((line) => /^copyright\b.*(\d{4}|\(c\)|©)/i.test(line))
		.map((line) => line.replace(/^copyright\s*(\(c\)|©)?\s*/i, ""));
	return lines.length > 0 ? lines : ["as named in the text"];
}

function indented(lines) {
	return lines.map((line) => ` ${line}`).join("\n");
}

function licenceText(text) {
	return text
		.split("\n")
		.map((line) => (line.trim() === "" ? " ." : ` ${line.trimEnd()}`))
		.join("\n");
}
