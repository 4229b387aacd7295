import type { ByteReader, ByteWriter } from "./byte-writer.ts";
import {
	readMessage,
	readWill,
	writeMessage,
	writeWill,
} from "./message-codec.ts";
import { BodyPlace, Operation, OperationKind } from "./operation.ts";
import { encodeOrigin } from "./origin-codec.ts";
import type { SessionRecord } from "./store.ts";

/**
 * A batch of operations in one buffer: encoded on the main thread at dispatch,
 * decoded by the worker. Pure.
 */

export function writeOperation(writer: ByteWriter, operation: Operation): void {
	writer.u8(operation.kind);
	writer.f64(operation.key);
	switch (operation.kind) {
		case OperationKind.PutSession:
			writeSession(writer, operation.session as SessionRecord);
			break;
		case OperationKind.DeleteSession:
		case OperationKind.DeleteLane:
			break;
		case OperationKind.PutLane:
			writer.f64(operation.number);
			writer.u8(operation.flags);
			writer.text(operation.text ?? "");
			break;
		case OperationKind.PutSubscription:
			writer.u8(operation.flags);
			writer.u32(operation.number);
			writer.text(operation.text ?? "");
			break;
		case OperationKind.DeleteSubscription:
		case OperationKind.DeleteRetained:
			writer.text(operation.text ?? "");
			break;
		case OperationKind.PutReceivedId:
		case OperationKind.DeleteReceivedId:
			writer.u16(operation.number);
			break;
		case OperationKind.Enqueue:
		case OperationKind.Replace:
			writeEnqueue(writer, operation);
			break;
		case OperationKind.MarkSent:
			writer.f64(operation.sequence);
			writer.u16(operation.number);
			break;
		case OperationKind.MarkReleased:
			writer.f64(operation.sequence);
			break;
		case OperationKind.Dequeue:
			writer.f64(operation.sequence);
			writer.u32(operation.number);
			break;
		case OperationKind.PutRetained:
			writer.f64(operation.expiresAtWallMs);
			if (operation.message !== null) writeMessage(writer, operation.message);
			break;
		case OperationKind.PutValue:
			writer.text(operation.text ?? "");
			writer.text(operation.name);
			writer.u8(operation.value === null ? 0 : 1);
			if (operation.value !== null) writer.bytes(operation.value);
			break;
	}
}

/**
 * Buffers of the result are views of the reader's memory. Tickets are not carried, and
 * the origin of a queued message stays encoded, as its column holds it, in `value`.
 */
export function readOperation(reader: ByteReader): Operation {
	const kind = reader.u8() as OperationKind;
	const operation = new Operation(kind, reader.f64(), null);
	switch (kind) {
		case OperationKind.PutSession:
			operation.session = readSession(reader, operation.key);
			break;
		case OperationKind.DeleteSession:
		case OperationKind.DeleteLane:
			break;
		case OperationKind.PutLane:
			operation.number = reader.f64();
			operation.flags = reader.u8();
			operation.text = reader.text();
			break;
		case OperationKind.PutSubscription:
			operation.flags = reader.u8();
			operation.number = reader.u32();
			operation.text = reader.text();
			break;
		case OperationKind.DeleteSubscription:
		case OperationKind.DeleteRetained:
			operation.text = reader.text();
			break;
		case OperationKind.PutReceivedId:
		case OperationKind.DeleteReceivedId:
			operation.number = reader.u16();
			break;
		case OperationKind.Enqueue:
		case OperationKind.Replace:
			readEnqueue(reader, operation);
			break;
		case OperationKind.MarkSent:
			operation.sequence = reader.f64();
			operation.number = reader.u16();
			break;
		case OperationKind.MarkReleased:
			operation.sequence = reader.f64();
			break;
		case OperationKind.Dequeue:
			operation.sequence = reader.f64();
			operation.number = reader.u32();
			break;
		case OperationKind.PutRetained:
			operation.expiresAtWallMs = reader.f64();
			operation.message = readMessage(reader);
			break;
		case OperationKind.PutValue:
			operation.text = reader.text();
			operation.name = reader.text();
			if (reader.u8() === 1) operation.value = reader.bytes();
			break;
	}
	return operation;
}

function writeEnqueue(writer: ByteWriter, operation: Operation): void {
	writer.f64(operation.sequence);
	writer.f64(operation.expiresAtWallMs);
	writer.u16(operation.number);
	writer.u8(operation.flags);
	writer.u8(operation.phase);
	writer.u8(operation.place);
	writer.bytes(encodeOrigin(operation.identifiers, operation.text));
	if (operation.place === BodyPlace.NextOfShared) return;
	if (operation.message !== null) writeMessage(writer, operation.message);
}

function readEnqueue(reader: ByteReader, operation: Operation): void {
	operation.sequence = reader.f64();
	operation.expiresAtWallMs = reader.f64();
	operation.number = reader.u16();
	operation.flags = reader.u8();
	operation.phase = reader.u8();
	operation.place = reader.u8() as BodyPlace;
	operation.value = reader.bytes();
	if (operation.place === BodyPlace.NextOfShared) return;
	operation.message = readMessage(reader);
}

function writeSession(writer: ByteWriter, session: SessionRecord): void {
	writer.text(session.clientId);
	writer.u8(session.username === null ? 0 : 1);
	if (session.username !== null) writer.text(session.username);
	writer.f64(session.expirySeconds);
	writer.f64(session.disconnectedAtMs);
	writer.u8(session.will === null ? 0 : 1);
	if (session.will !== null) writeWill(writer, session.will);
}

function readSession(reader: ByteReader, key: number): SessionRecord {
	return {
		key,
		clientId: reader.text(),
		username: reader.u8() === 1 ? reader.text() : null,
		expirySeconds: reader.f64(),
		disconnectedAtMs: reader.f64(),
		will: reader.u8() === 1 ? readWill(reader) : null,
	};
}
