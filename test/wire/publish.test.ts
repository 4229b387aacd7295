import t from "tap";
import { runWireCases } from "./wire-suite.ts";

await runWireCases(t, ["publish", "publish-v5", "acks"]);
