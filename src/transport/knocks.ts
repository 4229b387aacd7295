/**
 * Connections of the broker to its own listener, which prove that it accepts. The
 * accepting side knows them by the port of the connecting one, or on a unix socket by its
 * process: everybody else is a client. One for each listener; main thread only.
 */
import { type AddressInfo, connect, isIPv6, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { peerProcess } from "../platform/peer-process.ts";
import type { Door } from "./byte-stream.ts";
import { formatAddress } from "./listen-error.ts";

/** Failures on the knocking side: they say nothing about the listener. */
const OUR_OWN = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"];
/** What can be connected to when a listener takes all addresses. */
const ANY_ADDRESS: Readonly<Record<string, string>> = {
	"0.0.0.0": "127.0.0.1",
	"::": "::1",
};

interface Knock {
	readonly socket: Socket;
	/** 0 on a unix socket, and until the connection has a port. */
	port: number;
	answered(): void;
}

export class Knocks {
	readonly #open = new Set<Knock>();

	/** An accepted connection may be one of these. */
	get isAwaited(): boolean {
		return this.#open.size > 0;
	}

	/** @returns true when the broker itself is at the other end: nothing is to come from there */
	answer(accepted: Socket): boolean {
		for (const knock of this.#open) {
			if (!isOtherEnd(knock, accepted)) continue;
			knock.answered();
			return true;
		}
		return false;
	}

	doorsOf(places: readonly AddressInfo[]): Door[] {
		return places.map(({ address, port }) => ({
			address: formatAddress(address, port),
			knock: async () => {
				if (!isHere(address)) return; // a cable was pulled: the address may come back
				const host = ANY_ADDRESS[address] ?? address;
				await this.#knock(() => connect({ host, port, noDelay: true }));
			},
		}));
	}

	/** A unix socket's. */
	doorOf(path: string): Door {
		return { address: path, knock: () => this.#knock(() => connect(path)) };
	}

	/** Nobody waits for an answer any more. */
	stop(): void {
		for (const { socket } of this.#open) socket.destroy();
		this.#open.clear();
	}

	#knock(open: () => Socket): Promise<void> {
		return new Promise((resolve, reject) => {
			const socket = open();
			const end = () => {
				this.#open.delete(knock);
				socket.destroy();
			};
			const knock: Knock = {
				socket,
				port: 0,
				answered: () => {
					end();
					resolve();
				},
			};
			socket.unref();
			// The port is there as soon as the system has been asked to connect, and so before
			// the other end can be accepted. Asked for any sooner it would stay unknown.
			socket.once("connectionAttempt", () =>
				process.nextTick(() => {
					knock.port = socket.localPort ?? 0;
				}),
			);
			socket.once("error", (error: NodeJS.ErrnoException) => {
				end();
				if (OUR_OWN.includes(error.code ?? "")) resolve();
				else reject(error);
			});
			this.#open.add(knock);
		});
	}
}

function isOtherEnd({ port }: Knock, accepted: Socket): boolean {
	const { remoteAddress, remotePort, localAddress } = accepted;
	if (remoteAddress !== undefined)
		return remotePort === port && remoteAddress === localAddress;
	const { fd = -1 } =
		(accepted as unknown as { _handle?: { fd?: number } | null })._handle ?? {};
	return peerProcess(fd) === process.pid;
}

/** The machine has the address now; true when it does not tell. */
function isHere(address: string): boolean {
	if (address in ANY_ADDRESS || address === "::1" || address.startsWith("127."))
		return true;
	const wanted = isIPv6(address) ? address.split("%")[0] : address;
	try {
		return Object.values(networkInterfaces()).some((all) =>
			all?.some((each) => each.address === wanted),
		);
	} catch {
		return true;
	}
}
