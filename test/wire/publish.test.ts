import t from "tap";
import { testWireCases } from "./wire-suite.ts";

testWireCases(t, ["publish", "publish-v5", "acks"]);
