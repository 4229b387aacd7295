/**
 * What a client is told while the database cannot be written (`broker/degraded-mode.ts`).
 *
 * A packet that needs the disk is put back and its connection not read; after
 * `store.degraded_wait` it is refused without having been handled: nothing of it is left.
 * What had been handled before anybody knew is on its way to the disk and is not taken
 * back. Of such packets only a QoS 1 PUBLISH can be answered by a refusal: it may arrive
 * all the same, and once more when it is sent again. Else the connection ends, which leaves
 * open what became of the packet: a received QoS 2 id stays, so nothing comes twice.
 */
import { PacketType } from "../protocol/constants.ts";
import { encodeSuback, encodeUnsuback } from "../protocol/packets.ts";
import type { Publish } from "../protocol/publish.ts";
import { ReasonCode } from "../protocol/reason-codes.ts";
import type { Connection } from "./connection.ts";
import { ConnectionState, Hold } from "./connection-state.ts";
import { refuseConnect } from "./refuse-connect.ts";

const REASON = ReasonCode.QuotaExceeded;
const WORDS =
	"the database cannot be written at present (see the broker's log): nothing was stored; try again later";
const WORDS_OPEN =
	"the database cannot be written at present (see the broker's log): it is not known yet whether your last packets are stored; connect and send them again";

/** @returns true when the PUBLISH (QoS > 0) has been put off or refused */
export function yieldPublish(
	connection: Connection,
	publish: Publish,
): boolean {
	if (!needsDisk(connection, publish)) return false;
	if (putOff(connection)) return true;
	if (connection.dialect?.hasReasonCodes !== true) {
		refuseByClosing(connection, WORDS);
		return true;
	}
	const type = publish.qos === 1 ? PacketType.Puback : PacketType.Pubrec;
	const ack = connection.acks.add(type, publish.packetId);
	ack.reasonCode = REASON;
	ack.settle();
	connection.broker.degraded.refused++;
	connection.limitPendingAcks();
	return true;
}

/**
 * Of a persistent session.
 * @param qos of each filter as asked for
 * @returns true when the SUBSCRIBE has been put off or refused
 */
export function yieldSubscribe(
	connection: Connection,
	packetId: number,
	qos: readonly number[],
): boolean {
	const { dialect } = connection;
	if (dialect === null || putOff(connection)) return true;
	const codes = qos.map((each) => dialect.subackCode(REASON, each));
	// Where the version has no code for a failure.
	if (codes.some((code) => code < 0x80)) refuseByClosing(connection, WORDS);
	else refuse(connection, encodeSuback(packetId, codes, dialect.family));
	return true;
}

/** Of a persistent session. @returns as {@link yieldSubscribe} */
export function yieldUnsubscribe(
	connection: Connection,
	packetId: number,
	filters: number,
): boolean {
	const { dialect } = connection;
	if (dialect === null || putOff(connection)) return true;
	if (!dialect.hasReasonCodes) {
		refuseByClosing(connection, WORDS);
		return true;
	}
	// UNSUBACK has no "quota exceeded".
	const code = ReasonCode.ImplementationSpecificError;
	const codes = new Array(filters).fill(code);
	refuse(connection, encodeUnsuback(packetId, codes, dialect.family));
	return true;
}

/**
 * Of a client whose session is stored, or is in the way of one that is not.
 * @param again what is to be done when it is worth another try
 */
export function yieldConnect(connection: Connection, again: () => void): void {
	const { degraded } = connection.broker;
	const { leftMs } = degraded;
	if (leftMs === 0) {
		degraded.refused++;
		refuseConnect(connection, REASON, WORDS);
		return;
	}
	connection.hold(Hold.TakeOver, Math.min(leftMs, LOOK_MS));
	connection.unhold(Hold.Connecting);
	connection.timers.whenDelayOver = again;
}

/** How often a CONNECT that waits looks whether it may go on. */
const LOOK_MS = 500;

/** Answers that have waited since `beforeMs` or longer. */
export function refuseOverdue(connection: Connection, beforeMs: number): void {
	const { state, session, acks, dialect, broker } = connection;
	if (state === ConnectionState.Connecting && session !== null) {
		broker.degraded.refused++;
		connection.discardsWill = true;
		refuseConnect(connection, REASON, WORDS);
		return;
	}
	if (state !== ConnectionState.Open) return;
	for (const ack of acks.overdue(beforeMs)) {
		if (ack.type !== PacketType.Puback || dialect?.hasReasonCodes !== true) {
			refuseByClosing(connection, WORDS_OPEN);
			return;
		}
		ack.refuse(REASON);
		ack.hasGivenUp = true;
		broker.degraded.refused++;
	}
	acks.flush();
}

function needsDisk({ session, broker }: Connection, publish: Publish): boolean {
	const { qos, retain, packetId, topic } = publish;
	if (session === null) return false;
	if (qos === 2 && session.receivedIds?.has(packetId) === true) return false;
	const isReceived = qos === 2 && session.isPersistent;
	return isReceived || retain || broker.router.needsDisk(topic, qos);
}

/** @returns false when there is no time left for it */
function putOff(connection: Connection): boolean {
	if (connection.broker.degraded.leftMs === 0) return false;
	connection.splitter.putBack();
	connection.broker.statistics.packetsReceived--;
	connection.hold(Hold.Disk);
	return true;
}

function refuse(connection: Connection, frame: Buffer): void {
	connection.broker.degraded.refused++;
	const ack = connection.acks.add(0, 0);
	ack.frame = frame;
	ack.settle();
	connection.limitPendingAcks();
}

function refuseByClosing(connection: Connection, words: string): void {
	connection.broker.degraded.refused++;
	connection.terminate(REASON, words);
}
