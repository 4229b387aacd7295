/**
 * `npm run spec`: a summary of which requirements of the standards have a place in the
 * code and in the tests, and the ones that have none; with --all the whole table.
 * Ends with 1 when a server requirement has no place or an id is not in the tables.
 */
import { type Trace, traceRequirements } from "./traceability.ts";

const { traces, missing, unknown } = traceRequirements();
const ofServer = traces.filter(({ appliesTo }) => appliesTo !== "client");

if (process.argv.includes("--all")) {
	for (const trace of traces) console.log(describe(trace));
	console.log("");
}
for (const { id, wording } of missing) {
	console.log(`no code, no test  ${id}  ${wording}`);
}
for (const place of unknown) console.log(`unknown id  ${place}`);
console.log(
	`${traces.length} requirements, ${ofServer.length} of them for a server: ` +
		`${count(({ fulfilledAt }) => fulfilledAt.length > 0)} named in the code, ` +
		`${count(({ testedAt }) => testedAt.length > 0)} in tests, ` +
		`${count(({ departure }) => departure !== "")} stated departures, ` +
		`${missing.length} with no place; ${unknown.length} unknown ids`,
);
process.exitCode = missing.length + unknown.length === 0 ? 0 : 1;

function count(holds: (trace: Trace) => boolean): number {
	return ofServer.filter(holds).length;
}

function describe(trace: Trace): string {
	const { id, appliesTo, wording, departure, fulfilledAt, testedAt } = trace;
	return [
		`${id} (${appliesTo}): ${wording}`,
		...(departure === "" ? [] : [`  departure: ${departure}`]),
		`  code:  ${fulfilledAt.join(" ") || "-"}`,
		`  tests: ${testedAt.join(" ") || "-"}`,
	].join("\n");
}
