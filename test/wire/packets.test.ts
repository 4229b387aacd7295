import t from "tap";
import { testWireCases } from "./wire-suite.ts";

testWireCases(t, ["packet-size", "topic-alias", "ping", "disconnect", "auth"]);
