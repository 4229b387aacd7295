/** Python Paho against the broker: TCP and WebSocket, MQTT 3.1, 3.1.1 and 5. */
import { pahoPython } from "./driver-client.ts";
import { runVersion5Features } from "./driver-features.ts";
import { runScenarios } from "./scenarios.ts";

const names = { identifier: "identifier", messageExpiry: "messageExpiry" };
runScenarios(pahoPython("tcp"));
runScenarios(pahoPython("ws"));
runVersion5Features(pahoPython("tcp"), names);
