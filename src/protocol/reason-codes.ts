/** Reason codes of MQTT 5 [MQTT 5, 2.4]; used inside the broker for every version. */
export const ReasonCode = {
	Success: 0x00,
	GrantedQoS1: 0x01,
	GrantedQoS2: 0x02,
	DisconnectWithWill: 0x04,
	NoMatchingSubscribers: 0x10,
	NoSubscriptionExisted: 0x11,
	ContinueAuthentication: 0x18,
	ReAuthenticate: 0x19,
	UnspecifiedError: 0x80,
	MalformedPacket: 0x81,
	ProtocolError: 0x82,
	ImplementationSpecificError: 0x83,
	UnsupportedProtocolVersion: 0x84,
	ClientIdentifierNotValid: 0x85,
	BadUserNameOrPassword: 0x86,
	NotAuthorized: 0x87,
	ServerUnavailable: 0x88,
	ServerBusy: 0x89,
	Banned: 0x8a,
	ServerShuttingDown: 0x8b,
	BadAuthenticationMethod: 0x8c,
	KeepAliveTimeout: 0x8d,
	SessionTakenOver: 0x8e,
	TopicFilterInvalid: 0x8f,
	TopicNameInvalid: 0x90,
	PacketIdentifierInUse: 0x91,
	PacketIdentifierNotFound: 0x92,
	ReceiveMaximumExceeded: 0x93,
	TopicAliasInvalid: 0x94,
	PacketTooLarge: 0x95,
	MessageRateTooHigh: 0x96,
	QuotaExceeded: 0x97,
	AdministrativeAction: 0x98,
	PayloadFormatInvalid: 0x99,
	RetainNotSupported: 0x9a,
	QoSNotSupported: 0x9b,
	UseAnotherServer: 0x9c,
	ServerMoved: 0x9d,
	SharedSubscriptionsNotSupported: 0x9e,
	ConnectionRateExceeded: 0x9f,
	MaximumConnectTime: 0xa0,
	SubscriptionIdentifiersNotSupported: 0xa1,
	WildcardSubscriptionsNotSupported: 0xa2,
} as const;
export type ReasonCode = (typeof ReasonCode)[keyof typeof ReasonCode];

const names = new Map<number, string>(
	Object.entries(ReasonCode).map(([name, code]) => [
		code,
		name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase(),
	]),
);

/** Codes that only a CONNACK may carry, and what a DISCONNECT says instead. */
const onlyConnack: ReadonlyMap<number, ReasonCode> = new Map([
	[ReasonCode.UnsupportedProtocolVersion, ReasonCode.ProtocolError],
	[ReasonCode.ClientIdentifierNotValid, ReasonCode.UnspecifiedError],
	[ReasonCode.BadUserNameOrPassword, ReasonCode.NotAuthorized],
	[ReasonCode.ServerUnavailable, ReasonCode.ServerBusy],
	[ReasonCode.Banned, ReasonCode.NotAuthorized],
	[ReasonCode.BadAuthenticationMethod, ReasonCode.NotAuthorized],
]);

/** The code for a DISCONNECT of ours [MQTT-3.14.2-1]. */
export function disconnectReason(reason: ReasonCode): ReasonCode {
	return onlyConnack.get(reason) ?? reason;
}

/** The reason in words, for logs: `0x8e session taken over`. */
export function describeReason(code: number): string {
	const hex = `0x${code.toString(16).padStart(2, "0")}`;
	return `${hex} ${names.get(code) ?? "unknown reason"}`;
}
