/** Clients of a broker in the test's own process. */
import type { Packet } from "mqtt-packet";
import type { Test } from "tap";
import type { BrokerApi } from "../../../src/broker/broker-api.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { startBroker, type TestBroker } from "../../support/start-broker.ts";
import { type Arrival, WireClient } from "../../support/wire-client.ts";
import { HandStore } from "../session/hand-store.ts";

export { turns } from "../session/hand-store.ts";

export type PacketOf<Name extends Packet["cmd"]> = Extract<
	Packet,
	{ cmd: Name }
>;
export type ConnectOptions = Partial<PacketOf<"connect">>;
type Overrides = Record<string, string | number | boolean>;

/** Options of a CONNECT whose session outlives its connection. */
export const persistent: ConnectOptions = {
	clean: false,
	properties: { sessionExpiryInterval: 1000 },
};

export class TestClient extends WireClient {
	/** Sends CONNECT and waits for nothing. */
	startConnect(clientId: string, options: ConnectOptions = {}): void {
		this.write({
			cmd: "connect",
			clientId,
			clean: true,
			keepalive: 600,
			protocolVersion: this.version,
			protocolId: this.version === 3 ? "MQIsdp" : "MQTT",
			...options,
		});
	}

	async subscribe(
		filter: string,
		qos: 0 | 1 | 2 = 2,
		rest: { nl?: boolean; rap?: boolean; rh?: number } = {},
	): Promise<PacketOf<"suback">> {
		this.startSubscribe(filter, qos, rest);
		return await this.expect("suback");
	}

	startSubscribe(
		filter: string,
		qos: 0 | 1 | 2 = 2,
		rest: { nl?: boolean; rap?: boolean; rh?: number } = {},
	): void {
		this.write({
			cmd: "subscribe",
			messageId: 1000,
			subscriptions: [
				{ topic: filter, qos, nl: false, rap: false, rh: 0, ...rest },
			],
		} as PacketOf<"subscribe">);
	}

	publish(
		topic: string,
		payload: string,
		qos: 0 | 1 | 2 = 0,
		rest: Partial<PacketOf<"publish">> = {},
	): void {
		this.write({
			cmd: "publish",
			topic,
			payload,
			qos,
			retain: false,
			dup: false,
			...(qos > 0 ? { messageId: 1 } : {}),
			...rest,
		});
	}

	acknowledge(
		cmd: "puback" | "pubrec" | "pubrel" | "pubcomp",
		messageId: number,
		reasonCode = 0,
	): void {
		this.write({ cmd, messageId, reasonCode });
	}

	auth(
		reasonCode: number,
		authenticationMethod: string,
		data: string | null = null,
	): void {
		this.write({
			cmd: "auth",
			reasonCode,
			properties: {
				authenticationMethod,
				...(data === null ? {} : { authenticationData: Buffer.from(data) }),
			},
		} as PacketOf<"auth">);
	}

	/** What has arrived, in short: `puback 3`, `publish m q1 #2`. */
	async take(): Promise<string[]> {
		const notes: string[] = [];
		while (this.pending.length > 0) notes.push(describe(await this.next()));
		return notes;
	}

	/** All that came after the broker has handled what was sent. */
	async settled(): Promise<string[]> {
		if (!(await this.settle())) throw new Error("the connection is closed");
		return await this.take();
	}
}

function describe(arrival: Arrival): string {
	if (typeof arrival === "string") return arrival;
	const { packet, problem } = arrival;
	if (packet === null) return problem;
	if (packet.cmd === "publish") {
		const id = packet.qos > 0 ? ` #${packet.messageId}` : "";
		const flags = `${packet.dup ? " dup" : ""}${packet.retain ? " retain" : ""}`;
		return `publish ${packet.payload} q${packet.qos}${id}${flags}`;
	}
	const code = "reasonCode" in packet ? packet.reasonCode : 0;
	const id = packet.messageId === undefined ? "" : ` ${packet.messageId}`;
	return `${packet.cmd}${id}${code ? ` ${code}` : ""}`;
}

export interface Rig extends TestBroker {
	readonly api: BrokerApi;
	/** Opens a connection that has sent nothing. */
	client(version?: 3 | 4 | 5): TestClient;
	/** A client that has been accepted. */
	join(
		clientId: string,
		options?: ConnectOptions,
		version?: 3 | 4 | 5,
	): Promise<TestClient>;
}

export async function startRig(
	t: Test,
	overrides: Overrides = {},
	options: Parameters<typeof startBroker>[2] = {},
): Promise<Rig> {
	const broker = await startBroker(t, overrides, options);
	const client = (version: 3 | 4 | 5 = 5) =>
		new TestClient(broker.open(), version);
	return {
		...broker,
		api: broker.running.api,
		client,
		join: async (clientId, connectOptions = {}, version = 5) => {
			const joined = client(version);
			await joined.connect(clientId, connectOptions);
			return joined;
		},
	};
}

/** A broker whose commits the test releases by hand, once it says `hand.hold()`. */
export async function startHandRig(
	t: Test,
	overrides: Overrides = {},
): Promise<Rig & { readonly hand: HandStore }> {
	const clock = new FakeClock();
	const hand = new HandStore(clock);
	const rig = await startRig(t, overrides, { clock, store: hand.store });
	const { stop } = rig;
	t.teardown(() => hand.release().then(stop));
	return { ...rig, hand };
}
