/** A connection on a stream that the test drives itself: clocks, pauses, take-overs. */
import { generate, type IConnectPacket } from "mqtt-packet";
import t from "tap";
import { Connection } from "../../../src/connection/connection.ts";
import type {
	ByteStream,
	StreamHandler,
	StreamInfo,
} from "../../../src/transport/byte-stream.ts";
import { type Rig, startRig, turns } from "../broker/broker-fixture.ts";

class HandStream implements ByteStream {
	readonly info: StreamInfo = {
		transport: "tcp",
		listener: "tcp:default",
		remoteAddress: "127.0.0.1",
		remotePort: 1,
		isLoopback: true,
	};
	readonly written: Buffer[] = [];
	pendingBytes = 0;
	/** The system takes nothing. */
	isStuck = false;
	isPaused = false;
	isEnded = false;
	handler: StreamHandler | null = null;

	limitGathering(): void {}

	setHandler(handler: StreamHandler): void {
		this.handler = handler;
	}

	write(buffers: readonly Buffer[]): boolean {
		for (const buffer of buffers) {
			this.written.push(Buffer.from(buffer));
			if (this.isStuck) this.pendingBytes += buffer.length;
		}
		return !this.isStuck;
	}

	pause(): void {
		this.isPaused = true;
	}

	resume(): void {
		this.isPaused = false;
	}

	end(): void {
		this.isEnded = true;
	}

	destroy(): void {
		this.isEnded = true;
	}
}

function open(rig: Rig): { stream: HandStream; connection: Connection } {
	const stream = new HandStream();
	const connection = new Connection(rig.broker, stream, {
		name: "tcp:default",
		allowedProtocolVersions: [3, 4, 5],
		allowAnonymous: "on",
	});
	return { stream, connection };
}

function connect(
	rig: Rig,
	clientId: string,
): { stream: HandStream; connection: Connection } {
	const { stream, connection } = open(rig);
	const packet: IConnectPacket = {
		cmd: "connect",
		protocolId: "MQTT",
		protocolVersion: 5,
		clientId,
		clean: true,
		keepalive: 0,
	};
	stream.handler?.onData(generate(packet));
	return { stream, connection };
}

t.test(
	"a reader that takes a little now and then is not disconnected, whatever is added meanwhile",
	async (t) => {
		const rig = await startRig(t, { send_timeout: "10s" });
		const { stream, connection } = connect(rig, "slow");
		await turns();
		stream.isStuck = true;
		connection.outbox.append(Buffer.alloc(10_000));
		await turns();
		for (let i = 0; i < 5; i++) {
			stream.pendingBytes -= 500;
			connection.outbox.append(Buffer.alloc(1000));
			await rig.clock.advanceAsync(10_500);
			t.notOk(stream.isEnded, `after ${i + 1} times send_timeout`);
		}
		await rig.clock.advanceAsync(10_500);
		t.ok(stream.isEnded, "one that takes nothing at all is");
		t.match(rig.log.join(), /took nothing for 10 s \(send_timeout\)/);
	},
);

t.test(
	"while a take-over is delayed its stream is read, however the client was authenticated",
	async (t) => {
		for (const isAsked of [false, true]) {
			const rig = await startRig(t, {
				"duplicate_clientid.takeovers_per_minute": 1,
			});
			if (isAsked)
				rig.api.onAuthenticate(async () => {
					await turns(1);
					return { allow: true };
				});
			for (let i = 0; i < 2; i++) {
				connect(rig, "twin");
				await turns();
			}
			const { stream } = connect(rig, "twin");
			await turns();
			t.match(rig.log.join(), /throw each other out/);
			t.notOk(stream.isPaused, "or its end would not be seen");
			stream.handler?.onClose(null);
			await rig.clock.advanceAsync(60_000);
			t.strictSame(stream.written, [], "who has left takes nothing over");
		}
	},
);

t.test(
	"of two take-overs that wait the later one wins, and the other learns it with a code of CONNACK [MQTT-3.2.2-8]",
	async (t) => {
		const rig = await startRig(t, {
			"duplicate_clientid.takeovers_per_minute": 1,
		});
		for (let i = 0; i < 2; i++) {
			connect(rig, "twin");
			await turns();
		}
		const earlier = connect(rig, "twin");
		await rig.clock.advanceAsync(500);
		rig.broker.settings["duplicate_clientid.takeovers_per_minute"] = 1000;
		const later = connect(rig, "twin");
		await turns();
		await rig.clock.advanceAsync(60_000);
		const [connack] = earlier.stream.written;
		t.equal(connack?.[3], 0x89, "server busy");
		t.ok(earlier.stream.isEnded);
		t.notOk(later.stream.isEnded);
	},
);

t.test(
	"the log says what came instead of MQTT, where, and what to change",
	async (t) => {
		for (const [bytes, words] of [
			[Buffer.from("16030102000100", "hex"), /TLS on a listener without TLS/],
			[Buffer.from("GET / HTTP/1.1\r\n"), /listener\.ws/],
			[Buffer.from([0xc0, 0]), /not CONNECT/],
		] as const) {
			const rig = await startRig(t);
			const { stream } = open(rig);
			stream.handler?.onData(bytes);
			t.ok(stream.isEnded);
			t.match(rig.log.join(), words);
			t.match(rig.log.join(), /listener=tcp:default/);
		}
	},
);
