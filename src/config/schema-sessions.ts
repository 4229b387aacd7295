/**
 * The table of keys, second part: sessions, queues and wills. A pure table.
 */
import { defineFragment } from "../platform/config-field.ts";

const SECOND = 1000;
const DAY = 24 * 3600 * SECOND;
const KB = 1024;
const MB = 1024 * KB;

export const sessionFields = defineFragment({
	title: "Sessions",
	intro:
		"The in-flight window protects a session from being flooded: it counts messages sent and not acknowledged. The limits on online and offline messages protect the memory and the disk: they count what waits behind the window.",
	fields: [
		{
			key: "persistent_client_expiration",
			type: "duration",
			default: "30d",
			min: SECOND,
			max: 36_500 * DAY,
			noLimit: ["never"],
			monthly: true,
			runtime: true,
			doc: "How long the state of a disconnected client is kept, at most: its subscriptions and its queue. MQTT 5 clients may ask for less and are told when they get less than they asked for; older clients cannot say. Units: s h d w m y, where m is a month of 30 days (min for minutes) and y a year of 365. (VerneMQ keeps it for ever unless told otherwise; on a small device forgotten sessions fill the disk.)",
		},
		{
			key: "max_subscriptions_per_client",
			type: "integer",
			default: "10000",
			min: 1,
			max: 10_000_000,
			noLimit: ["unlimited", "-1", "0"],
			runtime: true,
			doc: "Subscriptions of one session. More are refused in the SUBACK.",
		},
		{
			key: "max_inflight_messages",
			type: "integer",
			default: "20",
			min: 1,
			max: 65535,
			noLimit: ["unlimited", "0"],
			runtime: true,
			newConnectionsOnly: true,
			doc: "QoS 1 and 2 messages sent to a client and not acknowledged yet. An MQTT 5 client's Receive Maximum counts too: the smaller one holds. 0 means no limit other than the client's.",
		},
		{
			key: "receive_max_client",
			type: "integer",
			default: "65535",
			min: 1,
			max: 65535,
			runtime: true,
			newConnectionsOnly: true,
			doc: "The largest Receive Maximum of an MQTT 5 client that is honoured when messages are sent to it; a larger one counts as this one. max_inflight_messages bounds all clients, this only those of MQTT 5.",
		},
		{
			key: "receive_max_broker",
			type: "integer",
			default: "1000",
			min: 1,
			max: 65535,
			runtime: true,
			newConnectionsOnly: true,
			doc: "The Receive Maximum that MQTT 5 clients are told: how many QoS 1 and 2 messages they may publish before the first is acknowledged. Who sends more is disconnected.",
		},
		{
			key: "retry_interval",
			type: "duration",
			default: "20s",
			min: SECOND,
			max: DAY,
			noLimit: ["never", "0"],
			runtime: true,
			doc: "After this time without an acknowledgement a message is sent again to a client of MQTT 3.1, the only version in which that is allowed. For 3.1.1 and 5, messages are sent again when the client reconnects. 0 never sends again.",
		},
		{
			key: "upgrade_outgoing_qos",
			type: "flag",
			default: "off",
			runtime: true,
			doc: "Deliver with the QoS of the subscription even when the message was published with a lower one. The standard delivers with the lower of the two.",
		},
		{
			key: "shared_subscription_policy",
			type: "choice",
			values: [
				"prefer_local",
				"local_only",
				"random",
				"round_robin",
				"least_inflight",
				"sticky",
			],
			default: "prefer_local",
			runtime: true,
			doc: "Which member of a $share group gets the next message: any (random), each in turn (round_robin), the one with the fewest unacknowledged messages (least_inflight), or the same one as long as it stays (sticky). Online members come first whatever the policy. prefer_local and local_only are VerneMQ's policies for clusters; on one node every member is local, and they choose at random.",
		},
	],
});

export const queueFields = defineFragment({
	title: "Queues",
	fields: [
		{
			key: "max_online_messages",
			type: "integer",
			default: "1000",
			min: 0,
			max: 1_000_000_000,
			noLimit: ["unlimited", "-1"],
			runtime: true,
			doc: "Messages that may wait for a connected client behind its in-flight window; more are dropped and counted. -1 means no limit. 0 does not mean no limit: nothing waits then, and each message that finds the window full is lost.",
		},
		{
			key: "max_offline_messages",
			type: "integer",
			default: "1000",
			min: 0,
			max: 1_000_000_000,
			noLimit: ["unlimited", "-1"],
			runtime: true,
			doc: "QoS 1 and 2 messages kept for a client that is away; more are dropped and counted. -1 means no limit, 0 keeps none.",
		},
		{
			key: "max_queued_bytes",
			type: "size",
			default: "64MB",
			min: 1 * KB,
			max: 1024 * 1024 * MB,
			noLimit: ["unlimited", "0", "-1"],
			runtime: true,
			doc: "Bytes (topic, properties and payload) that one session's queue may hold, online or offline, whatever the number of messages.",
		},
		{
			key: "queue_type",
			type: "choice",
			values: ["fifo", "lifo"],
			default: "fifo",
			runtime: true,
			doc: "fifo delivers the oldest message first and drops the newest when a queue is full; this is the order the standard asks for. lifo delivers the newest first and drops the oldest: for clients that care about the present only.",
		},
		{
			key: "queue_overflow",
			type: "choice",
			values: ["auto", "drop_newest", "drop_oldest", "reject"],
			default: "auto",
			runtime: true,
			doc: "What happens to a message that finds a client's queue full. drop_newest drops it; drop_oldest drops the oldest one that waits instead; reject drops it and tells an MQTT 5 publisher of QoS 1 or 2 (quota exceeded) when the queue is that of a persistent session, so that it can send the message again later: others who had room for it then get it twice. auto is drop_newest for queue_type fifo and drop_oldest for lifo. Each drop is counted.",
		},
		{
			key: "queue_qos0_messages",
			type: "flag",
			default: "off",
			runtime: true,
			doc: "Queue messages of QoS 0 too for clients that are away with a persistent session, in order with the others and within the same limits. The standard leaves it open; without it such messages are lost for clients that are away.",
		},
	],
});

export const willFields = defineFragment({
	title: "Wills",
	fields: [
		{
			key: "max_last_will_delay",
			type: "duration",
			default: "unlimited",
			min: 0,
			max: 36_500 * DAY,
			noLimit: ["unlimited", "client", "never"],
			runtime: true,
			doc: "The longest will delay: one that asks for more is published after this time. `unlimited` leaves it to the client; the will is published when the session ends at the latest. 0 publishes every will at once.",
		},
		{
			key: "suppress_lwt_on_session_takeover",
			type: "flag",
			default: "off",
			runtime: true,
			doc: "Do not publish the will of a connection that ends because the same client connected again. The standard publishes it, unless the will has a delay and the client continues its session before it is over.",
		},
	],
});
