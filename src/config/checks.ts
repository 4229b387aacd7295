/**
 * Combinations that are allowed and probably not meant. Each leaves one notice that
 * says what will happen. Pure functions.
 */
import type { ListenerSettings } from "./listeners.ts";
import type { ConfigNotice } from "./problems.ts";
import type { Settings } from "./schema.ts";
import { writeRules } from "./write-rules.ts";

/** @param whereOf where a key was set; empty for a default */
export function checkCombinations(
	settings: Settings,
	listeners: readonly ListenerSettings[],
	whereOf: (key: string) => string,
): ConfigNotice[] {
	const notices: ConfigNotice[] = [];
	const note = (key: string, message: string) =>
		notices.push({ where: whereOf(key), key, message });

	if (settings.max_online_messages === 0) {
		note(
			"max_online_messages",
			"0 is not `no limit` (that is -1): a message that finds the in-flight window of a connected client full is lost",
		);
	}
	if (
		Number.isFinite(settings.max_message_size) &&
		settings.max_message_size > settings.max_packet_size
	) {
		note(
			"max_message_size",
			"is more than max_packet_size, which bounds the whole packet and is reached first",
		);
	}
	if (settings.max_connect_size > settings.max_packet_size) {
		note(
			"max_connect_size",
			"is more than max_packet_size, which is reached first",
		);
	}
	if (settings.max_connect_size > settings.unauthenticated_bytes) {
		note(
			"unauthenticated_bytes",
			"is less than max_connect_size: a CONNECT packet of the allowed size has no room",
		);
	}
	if (settings.receive_max_client < settings.max_inflight_messages) {
		if (Number.isFinite(settings.max_inflight_messages)) {
			note(
				"receive_max_client",
				"is less than max_inflight_messages and is what counts for MQTT 5 clients",
			);
		}
	}
	if (!settings.persistence) {
		note(
			"persistence",
			"is off: acknowledged messages, sessions and retained messages do not survive a restart",
		);
	}
	if (settings.persistence && settings.state === "ram+checkpoint") {
		note(
			"state",
			"is ram+checkpoint: an acknowledgement means the memory, not the disk; a power cut loses what came since the last checkpoint (state.checkpoint_interval)",
		);
	}
	for (const { key, everyMs } of writeRules(settings)) {
		if (everyMs === 0 || everyMs > settings["store.lazy_interval"]) continue;
		note(key, "is no more than store.lazy_interval, and changes nothing");
	}
	for (const listener of listeners) noteExposure(listener, note);
	return notices;
}

function noteExposure(
	listener: ListenerSettings,
	note: (key: string, message: string) => void,
): void {
	if (listener.allowAnonymous !== "on") return;
	const exposed = listener.addresses.find(({ host }) => !isLoopback(host));
	if (exposed === undefined) return;
	note(
		`listener.${listener.name.replace(":", ".")}`,
		`anybody who reaches ${exposed.host} port ${exposed.port} may connect without a password, because allow_anonymous is on for this listener`,
	);
}

function isLoopback(host: string): boolean {
	return host.startsWith("127.") || host === "::1" || host === "localhost";
}
