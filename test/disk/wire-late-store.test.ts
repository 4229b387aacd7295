/** The same cases against a store that answers 0 to 200 ms late, at random. */
import t from "tap";
import { caseFileNames } from "../wire/case-file.ts";
import { testWireCases } from "../wire/wire-suite.ts";

testWireCases(t, caseFileNames(), {
	lateStoreMs: 200,
	// with these the clock has to run by itself for the store
	select: (wireCase) => !wireCase.needsClock,
});
