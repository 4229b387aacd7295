import t from "tap";
import { runWireCases } from "./wire-suite.ts";

await runWireCases(t, ["connect", "connect-v31", "connect-v311", "connect-v5"]);
