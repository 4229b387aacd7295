import { flagsQos } from "./message-codec.ts";
import type { SubscriptionRecord } from "./store.ts";

/** QoS, No Local and Retain As Published in one number, as the column `options` holds them. Pure. */

type Options = Pick<
	SubscriptionRecord,
	"qos" | "noLocal" | "retainAsPublished"
>;

const NO_LOCAL = 4;
const RETAIN_AS_PUBLISHED = 8;

export function packOptions(options: Options): number {
	return (
		options.qos |
		(options.noLocal ? NO_LOCAL : 0) |
		(options.retainAsPublished ? RETAIN_AS_PUBLISHED : 0)
	);
}

export function unpackOptions(packed: number): Options {
	return {
		qos: flagsQos(packed),
		noLocal: (packed & NO_LOCAL) !== 0,
		retainAsPublished: (packed & RETAIN_AS_PUBLISHED) !== 0,
	};
}
