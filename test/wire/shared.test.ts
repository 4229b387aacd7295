import t from "tap";
import { testWireCases } from "./wire-suite.ts";

testWireCases(t, ["shared", "overlapping", "ordering", "receive-maximum"]);
