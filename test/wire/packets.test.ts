import t from "tap";
import { runWireCases } from "./wire-suite.ts";

await runWireCases(t, ["packet-size", "topic-alias", "ping", "disconnect", "auth"]);
