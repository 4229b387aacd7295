/**
 * Which listener the sockets belong to that systemd has opened: each is taken once, and
 * one that nobody takes is a mistake that somebody should know of.
 */
import type { PassedSocket } from "../platform/passed-sockets.ts";

export class PassedDescriptors {
	#sockets: readonly PassedSocket[];

	constructor(sockets: readonly PassedSocket[]) {
		this.#sockets = sockets;
	}

	/** @param key of the listener: `listener.tcp.default` */
	take(key: string): number[] {
		const isOwn = ({ name }: PassedSocket) => name === key;
		const own = this.#sockets.filter(isOwn);
		this.#sockets = this.#sockets.filter((each) => !isOwn(each));
		return own.map(({ descriptor }) => descriptor);
	}

	/**
	 * All listeners have taken theirs.
	 * @param keys of all listeners, for the words
	 * @throws Error in words when one is left
	 */
	refuseRest(keys: readonly string[]): void {
		const [first] = this.#sockets;
		if (first === undefined) return;
		throw new Error(
			`systemd has handed over a socket with the name ${first.name}, which is no listener's: put FileDescriptorName=KEY into its .socket unit, where KEY is one of ${keys.join(", ") || "the configuration's listeners, of which there is none"}`,
		);
	}
}
