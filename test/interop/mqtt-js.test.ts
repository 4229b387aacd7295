/** MQTT.js against the broker: TCP and WebSocket, MQTT 3.1, 3.1.1 and 5. */
import { mqttJs } from "./driver-client.ts";
import { runVersion5Features } from "./driver-features.ts";
import { runScenarios } from "./scenarios.ts";

const names = {
	identifier: "subscriptionIdentifier",
	messageExpiry: "messageExpiryInterval",
};
runScenarios(mqttJs("tcp", ["3.1", "3.1.1", "5"]));
runScenarios(mqttJs("ws", ["3.1.1", "5"]));
runVersion5Features(mqttJs("tcp", ["5"]), names);
runVersion5Features(mqttJs("ws", ["5"]), names);
