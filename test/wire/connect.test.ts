import t from "tap";
import { testWireCases } from "./wire-suite.ts";

testWireCases(t, ["connect", "connect-v31", "connect-v311", "connect-v5"]);
