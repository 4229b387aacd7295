import t from "tap";
import { runFrames } from "./frame-run.ts";

t.test("nothing but a ProtocolError comes out of spoilt frames", (t) => {
	const report = runFrames(20_000, 20, 1, null);
	t.equal(report.frames, 20_000);
	t.ok(report.accepted > 1000, "some are still valid");
	t.ok(report.refused > 5000, "most are not");
	t.end();
});
