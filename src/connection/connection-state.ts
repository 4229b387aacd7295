/** In which part of its life a connection is, and why it may not be read at the moment. */
export const ConnectionState = {
	/** Nothing but CONNECT is accepted. */
	AwaitConnect: 0,
	/** CONNECT is being authenticated, delayed or stored; CONNACK has not been sent. */
	Connecting: 1,
	Open: 2,
	Closed: 3,
} as const;
export type ConnectionState =
	(typeof ConnectionState)[keyof typeof ConnectionState];

/** Why reading is held up; a set of bits. */
export const Hold = {
	Connecting: 1,
	SlowSubscriber: 2,
	MessageRate: 4,
	PendingAcks: 8,
	TakeOver: 16,
	StoreBusy: 32,
	Memory: 64,
	/** The database cannot be written, and the next packet needs it. */
	Disk: 128,
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];

/** Limits that a client was told and may rely on. */
export interface Granted {
	readonly receiveMaximum: number;
	readonly maxQoS: number;
	readonly retainAvailable: boolean;
}

export const nothingGranted: Granted = Object.freeze({
	receiveMaximum: 0,
	maxQoS: 0,
	retainAvailable: false,
});
