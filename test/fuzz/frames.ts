import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { runFrames } from "./frame-run.ts";

/**
 * node test/fuzz/frames.ts --count 1000000 --seconds 60 --seed 1
 *
 * Ends with 1 when anything but a ProtocolError comes out of a decoder, or when the
 * heap has grown by more than a tenth.
 */

const { values } = parseArgs({
	options: {
		count: { type: "string", default: "1000000" },
		seconds: { type: "string", default: "60" },
		seed: { type: "string", default: String(Date.now() % 1_000_000) },
	},
});

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const seed = Number(values.seed);
console.log(`seed ${seed}`);
const report = runFrames(
	Number(values.count),
	Number(values.seconds),
	seed,
	collect,
);
const growth = report.heapAfter / report.heapBefore - 1;
console.log(
	`${report.frames} frames: ${report.accepted} accepted, ${report.refused} refused; ` +
		`heap ${report.heapBefore} -> ${report.heapAfter} bytes (${(growth * 100).toFixed(1)} %)`,
);
if (growth > 0.1) {
	console.error("the heap has grown by more than 10 %");
	process.exitCode = 1;
}
