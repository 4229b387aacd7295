import t from "tap";
import { runWireCases } from "./wire-suite.ts";

await runWireCases(t, ["shared", "overlapping", "ordering", "receive-maximum"]);
