/**
 * The table of keys: bounds on what the whole broker keeps, whoever causes it. What
 * bounds one client stands with sessions, queues and packets. A pure table.
 */
import { defineFragment } from "../platform/config-field.ts";

const KB = 1024;
const MB = 1024 * KB;

export const limitFields = defineFragment({
	title: "Limits of the whole broker",
	intro:
		"Each of these is finite by default, so that no client can fill memory or disk for ever. Whoever reaches one is refused, and a line of the log names the key to raise. `unlimited` lifts a limit.",
	fields: [
		{
			key: "memory_limit",
			type: "size",
			default: "auto",
			min: 96 * MB,
			max: 1024 * 1024 * MB,
			noLimit: ["auto"],
			runtime: true,
			doc: "The most memory (RSS) that the whole process may have. What remains beyond the program itself and a reserve is shared by everything that grows with clients and traffic. When 70 % of that is in use, queues are kept on disk only; at 80 % the clients that publish the most are slowed down; at 90 % new sessions are refused (server unavailable, or quota exceeded in MQTT 5) and slow readers lose messages of QoS 0; with all of it in use, what would wait for a client without a persistent session is dropped. Nothing that a persistent session is owed is given up. auto is 80 % of the smaller of the control group's limit and half of the RAM, at least 96MB. V8's own limit follows it at the next start.",
		},
		{
			key: "max_sessions",
			type: "integer",
			default: "100000",
			min: 1,
			max: 60_000_000,
			noLimit: ["unlimited"],
			runtime: true,
			doc: "Sessions, those of clients that are away included. A client that has none yet is refused (server unavailable, or quota exceeded in MQTT 5) when there are so many; clients with a session come back to it all the same. In memory a session whose client is away takes about 100 bytes, and another 110 for each subscription to a topic of its own.",
		},
		{
			key: "max_subscriptions",
			type: "integer",
			default: "1000000",
			min: 1,
			max: 1_000_000_000,
			noLimit: ["unlimited"],
			runtime: true,
			doc: "Subscriptions of all sessions together. More are refused in the SUBACK (quota exceeded in MQTT 5); replacing one that exists is always allowed.",
		},
		{
			key: "max_retained_messages",
			type: "integer",
			default: "1000000",
			min: 0,
			max: 1_000_000_000,
			noLimit: ["unlimited"],
			runtime: true,
			doc: "Topics with a retained message. A message for a new topic beyond this is delivered to those who are subscribed and not retained; an MQTT 5 publisher of QoS 1 or 2 is told (quota exceeded). Topics that are retained already can always be changed and cleared. They are on disk, not in memory.",
		},
		{
			key: "max_retained_bytes",
			type: "size",
			default: "1GB",
			min: 1 * KB,
			max: 1024 * 1024 * MB,
			noLimit: ["unlimited"],
			runtime: true,
			doc: "Bytes (topic, properties and payload) of all retained messages together; as max_retained_messages. A larger value for a retained topic is refused as well when it does not fit.",
		},
		{
			key: "max_queued_messages_total",
			type: "integer",
			default: "10000000",
			min: 1,
			max: 1_000_000_000,
			noLimit: ["unlimited"],
			runtime: true,
			doc: "QoS 1 and 2 messages that wait for all sessions together. What would be queued beyond this is dropped as queue_overflow says. They are on disk for persistent sessions, so this bounds the disk.",
		},
		{
			key: "max_queued_bytes_total",
			type: "size",
			default: "4GB",
			min: 1 * KB,
			max: 1024 * 1024 * MB,
			noLimit: ["unlimited"],
			runtime: true,
			doc: "Bytes (topic, properties and payload) that wait for all sessions together; as max_queued_messages_total.",
		},
	],
});
