/** Thousands of clients, from several source addresses, some hundreds at a time. */
import {
	type ConnectOptions,
	connectRaw,
	type RawClient,
	type RawOptions,
} from "../support/raw-client.ts";

const ADDRESSES = 50;

/** A source address of the loopback network. */
export function sourceAddress(index: number): string {
	return `127.0.1.${1 + (index % ADDRESSES)}`;
}

/**
 * Connects `count` clients, at most `atATime` at once.
 * @throws the first failure, when all the others have come to an end
 */
export async function connectCrowd(
	port: number,
	count: number,
	atATime: number,
	name: string,
	options: Partial<RawOptions & ConnectOptions> = {},
): Promise<RawClient[]> {
	const clients: RawClient[] = [];
	let next = 0;
	const worker = async () => {
		while (next < count) {
			const index = next++;
			clients.push(
				await connectRaw({
					port,
					from: sourceAddress(index),
					clientId: `${name}-${index}`,
					...options,
				}),
			);
		}
	};
	const workers = Array.from({ length: Math.min(atATime, count) }, worker);
	const results = await Promise.allSettled(workers);
	const failed = results.find((result) => result.status === "rejected");
	if (failed !== undefined) throw failed.reason;
	return clients;
}

/** Cuts all connections and waits until they are gone. */
export async function dismiss(clients: readonly RawClient[]): Promise<void> {
	for (const client of clients) client.destroy();
	await Promise.all(clients.map((client) => client.closed()));
}
