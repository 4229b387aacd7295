/**
 * Turns case files into tap tests. Cases with equal settings share one broker; each
 * has client ids and topics of its own.
 */
import type { Test } from "tap";
import { loadCases, type WireCase } from "./case-file.ts";
import { CaseRun } from "./run-case.ts";
import {
	canHave,
	startTarget,
	type TargetOptions,
	type WireTarget,
} from "./wire-target.ts";

export interface SuiteOptions extends TargetOptions {
	/** Which cases; all when absent. */
	readonly select?: (wireCase: WireCase) => boolean;
}

/** Runs the cases of the named files as subtests of `t`. */
export async function runWireCases(
	t: Test,
	fileNames: readonly string[],
	options: SuiteOptions = {},
): Promise<void> {
	const { select, ...targetOptions } = options;
	const groups = new Map<string, WireCase[]>();
	for (const wireCase of fileNames.flatMap(loadCases)) {
		if (!canHave(wireCase.settings, wireCase.needsClock)) continue;
		if (select !== undefined && !select(wireCase)) continue;
		const key = JSON.stringify(Object.entries(wireCase.settings).sort());
		const group = groups.get(key);
		if (group === undefined) groups.set(key, [wireCase]);
		else group.push(wireCase);
	}
	for (const group of groups.values()) {
		const target = await startTarget(
			t,
			group[0]?.settings ?? {},
			targetOptions,
		);
		for (const wireCase of group) await runOne(t, wireCase, target);
		await target.stop();
	}
}

async function runOne(t: Test, wireCase: WireCase, target: WireTarget) {
	await t.test(wireCase.title, async (t) => {
		try {
			await new CaseRun(wireCase, target).run();
			t.pass(wireCase.title);
		} catch (error) {
			const message = error instanceof Error ? error.message : String(error);
			t.fail(`${wireCase.file}.cases.json: ${wireCase.title}\n  ${message}`);
		}
	});
}
