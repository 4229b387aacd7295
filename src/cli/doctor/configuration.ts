import { formatNotice, formatProblem } from "../../config/problems.ts";
import { plural } from "../../platform/words.ts";
import { inShell } from "../in-shell.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import type { Check, Situation } from "./situation.ts";

/** Exposure has a check of its own, and says more. */
const SAID_ELSEWHERE = /allow_anonymous is on for this listener$/;

/** The same mistakes as `--check-config` names. */
export const configuration: Check = {
	subject: "configuration",
	async look(situation) {
		const { config, problems } = situation;
		const findings = problems.map((each) =>
			each.message === "may not be read by this user"
				? note(
						"config-not-visible",
						`the configuration may not be read by you: ${each.where}`,
						{ why: UNSEEN, fix: "sudo broker doctor" },
					)
				: problem("config-mistake", formatProblem(each), {
						why: "the broker does not start with a mistake in its configuration, and does not read it again while it runs",
						fix: howToMend(each.where),
					}),
		);
		for (const notice of config.notices) {
			if (SAID_ELSEWHERE.test(notice.message)) continue;
			findings.push(note("config-notice", formatNotice(notice)));
		}
		return findings.some(({ level }) => level === "problem")
			? findings
			: [summary(situation), ...findings];
	},
};

const UNSEEN =
	"what it says about listeners and limits is not known here, and the defaults are taken instead";

function howToMend(where: string): string {
	const file = /^(\/.*?)(:\d+)?$/.exec(where)?.[1];
	return file === undefined
		? `change ${where}`
		: `sudoedit ${inShell(file)} && broker config check`;
}

function summary({ config }: Situation): Finding {
	const { files, entries } = config;
	const from = files.length === 0 ? "no file" : files.join(", ");
	return ok(
		"config",
		`the configuration is valid: ${plural(entries.size, "key")} set, read from ${from}`,
	);
}
