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

/** One subtest of `t` for each named file, and in it one for each case. */
export function testWireCases(
	t: Test,
	fileNames: readonly string[],
	options: SuiteOptions = {},
): void {
	for (const name of fileNames)
		t.test(`wire cases: ${name}`, (t) => runFile(t, name, options));
}

async function runFile(
	t: Test,
	fileName: string,
	options: SuiteOptions,
): Promise<void> {
	const { select, ...targetOptions } = options;
	const groups = new Map<string, WireCase[]>();
	for (const wireCase of loadCases(fileName)) {
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
			t.pass("all steps");
		} catch (error) {
			const message = error instanceof Error ? error.message : String(error);
			const file = `${wireCase.file}.cases.json`;
			t.fail(`${file}: ${wireCase.title}\n  ${message}`, {
				at: null,
				stack: "",
				steps: wireCase.steps,
			});
		}
	});
}
