import t from "tap";
import { testWireCases } from "./wire-suite.ts";

testWireCases(t, ["subscribe", "unsubscribe", "retain"]);
