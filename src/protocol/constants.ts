/** MQTT control packet types, the high nibble of a packet's first byte [MQTT 5, 2.1.2]. */
export const PacketType = {
	Connect: 1,
	Connack: 2,
	Publish: 3,
	Puback: 4,
	Pubrec: 5,
	Pubrel: 6,
	Pubcomp: 7,
	Subscribe: 8,
	Suback: 9,
	Unsubscribe: 10,
	Unsuback: 11,
	Pingreq: 12,
	Pingresp: 13,
	Disconnect: 14,
	Auth: 15,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

export const packetTypeName: readonly string[] = [
	"RESERVED",
	"CONNECT",
	"CONNACK",
	"PUBLISH",
	"PUBACK",
	"PUBREC",
	"PUBREL",
	"PUBCOMP",
	"SUBSCRIBE",
	"SUBACK",
	"UNSUBSCRIBE",
	"UNSUBACK",
	"PINGREQ",
	"PINGRESP",
	"DISCONNECT",
	"AUTH",
];

export type QoS = 0 | 1 | 2;

/** Identifiers of MQTT 5 properties [MQTT 5, table 2-4]. */
export const PropertyId = {
	PayloadFormatIndicator: 0x01,
	MessageExpiryInterval: 0x02,
	ContentType: 0x03,
	ResponseTopic: 0x08,
	CorrelationData: 0x09,
	SubscriptionIdentifier: 0x0b,
	SessionExpiryInterval: 0x11,
	AssignedClientIdentifier: 0x12,
	ServerKeepAlive: 0x13,
	AuthenticationMethod: 0x15,
	AuthenticationData: 0x16,
	RequestProblemInformation: 0x17,
	WillDelayInterval: 0x18,
	RequestResponseInformation: 0x19,
	ResponseInformation: 0x1a,
	ServerReference: 0x1c,
	ReasonString: 0x1f,
	ReceiveMaximum: 0x21,
	TopicAliasMaximum: 0x22,
	TopicAlias: 0x23,
	MaximumQoS: 0x24,
	RetainAvailable: 0x25,
	UserProperty: 0x26,
	MaximumPacketSize: 0x27,
	WildcardSubscriptionAvailable: 0x28,
	SubscriptionIdentifierAvailable: 0x29,
	SharedSubscriptionAvailable: 0x2a,
} as const;

/** A session expiry interval of this value never ends [MQTT 5, 3.1.2.11.2]. */
export const SESSION_NEVER_EXPIRES = 0xffffffff;
/** The largest Remaining Length that four bytes hold [MQTT 5, 1.5.5]. */
export const MAX_REMAINING_LENGTH = 268_435_455;
