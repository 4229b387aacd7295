/** The lines of a mosquitto.conf by what they belong to: listeners, bridges, the broker. */
import type { ConfLine } from "./conf-file.ts";
import { number, truth } from "./option-values.ts";
import { optionSpec } from "./options.ts";

export interface ListenerBlock {
	/** The line that makes it; null for the one that other options make by themselves. */
	readonly start: ConfLine | null;
	port: number;
	/** Empty for all addresses. */
	host: string;
	/** Of a unix socket, else empty. */
	path: string;
	/** Of the listener, and with per_listener_settings who may use it. */
	readonly lines: ConfLine[];
}

export interface BridgeBlock {
	readonly name: string;
	readonly lines: ConfLine[];
}

export interface ConfBlocks {
	/** Of the broker as a whole, in order. */
	readonly broker: readonly ConfLine[];
	readonly listeners: readonly ListenerBlock[];
	readonly bridges: readonly BridgeBlock[];
	/** Options that mosquitto does not have. */
	readonly unknown: readonly ConfLine[];
	readonly isPerListener: boolean;
	/** No line opens a port: mosquitto 2 listens on the loopback addresses then. */
	readonly isLocalOnly: boolean;
}

/** With per_listener_settings these belong to the listener above them. */
const ofListenerWhenAsked = new Set([
	"acl_file",
	"allow_anonymous",
	"allow_zero_length_clientid",
	"auth_plugin",
	"auth_plugin_deny_special_chars",
	"auto_id_prefix",
	"password_file",
	"plugin",
	"psk_file",
]);

/** These belong to the listener above them, or to the default one. */
const ofListener = new Set([
	"accept_protocol_versions",
	"bind_address",
	"bind_interface",
	"cafile",
	"capath",
	"certfile",
	"ciphers",
	"ciphers_tls1.3",
	"crlfile",
	"dhparamfile",
	"disable_client_cert_date_checks",
	"enable_proxy_protocol",
	"http_dir",
	"keyfile",
	"listener",
	"max_connections",
	"max_qos",
	"max_topic_alias",
	"max_topic_alias_broker",
	"maximum_qos",
	"mount_point",
	"plugin_use",
	"port",
	"protocol",
	"proxy_protocol_v2_require_tls",
	"psk_hint",
	"require_certificate",
	"socket_domain",
	"tls_engine",
	"tls_engine_kpass_sha1",
	"tls_keyform",
	"tls_version",
	"use_identity_as_username",
	"use_subject_as_username",
	"use_username_as_clientid",
	"websockets_origin",
]);

const DEFAULT_PORT = 1883;

export function sortConf(lines: readonly ConfLine[]): ConfBlocks {
	return new Sorter(lines).sort();
}

class Sorter {
	readonly #lines: readonly ConfLine[];
	readonly #broker: ConfLine[] = [];
	readonly #listeners: ListenerBlock[] = [];
	readonly #bridges: BridgeBlock[] = [];
	readonly #unknown: ConfLine[] = [];
	readonly #isPerListener: boolean;
	/** What a file's next lines belong to: each file begins anew. */
	readonly #listenerOf = new Map<string, ListenerBlock>();
	readonly #bridgeOf = new Map<string, BridgeBlock>();
	#default: ListenerBlock | null = null;

	constructor(lines: readonly ConfLine[]) {
		this.#lines = lines;
		this.#isPerListener = lines.some(
			({ option, value }) =>
				option === "per_listener_settings" && truth(value) === true,
		);
	}

	sort(): ConfBlocks {
		for (const line of this.#lines) this.#sortLine(line);
		const opens = new Set(["listener", "port", "bind_address"]);
		return {
			broker: this.#broker,
			listeners: this.#listeners,
			bridges: this.#bridges,
			unknown: this.#unknown,
			isPerListener: this.#isPerListener,
			isLocalOnly: !this.#lines.some(({ option }) => opens.has(option)),
		};
	}

	#sortLine(line: ConfLine): void {
		const { option, value, file } = line;
		const spec = optionSpec(option);
		if (spec === undefined) this.#unknown.push(line);
		else if (spec.fate === "bridge") this.#addToBridge(line);
		else if (option === "listener") {
			this.#listenerOf.set(file, this.#newListener(line));
		} else if (this.#isOfListener(option)) {
			const listener = this.#listenerFor(line);
			if (option === "port") listener.port = number(value) ?? listener.port;
			if (option === "bind_address") listener.host = value;
			listener.lines.push(line);
		} else this.#broker.push(line);
	}

	#isOfListener(option: string): boolean {
		return (
			ofListener.has(option) ||
			(this.#isPerListener && ofListenerWhenAsked.has(option))
		);
	}

	#addToBridge(line: ConfLine): void {
		const { option, value, file } = line;
		if (option === "connection") {
			const bridge = { name: value, lines: [line] };
			this.#bridges.push(bridge);
			this.#bridgeOf.set(file, bridge);
			return;
		}
		const bridge = this.#bridgeOf.get(file);
		if (bridge === undefined) this.#unknown.push(line);
		else bridge.lines.push(line);
	}

	#newListener(line: ConfLine): ListenerBlock {
		const [port = "", place = ""] = line.value.split(/\s+/);
		const isUnix = number(port) === 0;
		const named = place.startsWith("#") ? "" : place;
		const listener: ListenerBlock = {
			start: line,
			port: number(port) ?? Number.NaN,
			host: isUnix ? "" : named,
			path: isUnix ? named : "",
			lines: [],
		};
		this.#listeners.push(listener);
		return listener;
	}

	#listenerFor({ option, file }: ConfLine): ListenerBlock {
		const isOfDefault = option === "port" || option === "bind_address";
		const above = this.#listenerOf.get(file);
		if (above !== undefined && !isOfDefault) return above;
		if (this.#default === null) {
			this.#default = {
				start: null,
				port: DEFAULT_PORT,
				host: "",
				path: "",
				lines: [],
			};
			this.#listeners.push(this.#default);
		}
		this.#listenerOf.set(file, this.#default);
		return this.#default;
	}
}
