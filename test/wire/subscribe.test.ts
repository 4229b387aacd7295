import t from "tap";
import { runWireCases } from "./wire-suite.ts";

await runWireCases(t, ["subscribe", "unsubscribe", "retain"]);
