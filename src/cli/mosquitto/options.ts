/**
 * The one table of mosquitto's options, 1.4 to 2.1: what each becomes, or why it becomes
 * nothing. A pure table; how listeners and protection are put together is in listeners.ts.
 */
import {
	type Convert,
	clippedSize,
	flag,
	limitOr,
	listOfVersions,
	period,
} from "./option-values.ts";

/** What happens to an option. */
export type OptionSpec =
	/** Becomes a key of ours. */
	| {
			readonly fate: "mapped";
			readonly key: string;
			readonly convert: Convert;
			/** What is different here, for the report. */
			readonly difference?: string;
			/** Belongs to a listener; `key` is the listener's option. */
			readonly ofListener?: true;
	  }
	/** Keeps somebody out, in a way that does not exist here yet. */
	| { readonly fate: "guard"; readonly kind: Guard; readonly why: string }
	/** Does not act yet, and keeps nobody out. */
	| { readonly fate: "later"; readonly why: string }
	| { readonly fate: "not needed"; readonly why: string }
	/** There is nothing like it. */
	| { readonly fate: "not mapped"; readonly why: string }
	/** Says where a listener is, or who may use it: see listeners.ts. */
	| { readonly fate: "structure" }
	/** Of a bridge. */
	| { readonly fate: "bridge" };

/** How a listener is protected. */
export type Guard =
	/** Encrypted, or with other topics: it cannot be opened at all. */
	| "closed"
	/** Somebody may not do everything: it is opened for this machine only. */
	| "access";

const structure = { fate: "structure" } as const;
const bridge = { fate: "bridge" } as const;

function mapped(
	key: string,
	convert: Convert,
	difference?: string,
): OptionSpec {
	const spec = { fate: "mapped", key, convert } as const;
	return difference === undefined ? spec : { ...spec, difference };
}

function ofListener(
	key: string,
	convert: Convert,
	difference?: string,
): OptionSpec {
	const spec = mapped(key, convert, difference);
	return spec.fate === "mapped" ? { ...spec, ofListener: true } : spec;
}

function closed(why: string): OptionSpec {
	return { fate: "guard", kind: "closed", why };
}

function access(why: string): OptionSpec {
	return { fate: "guard", kind: "access", why };
}

function later(why: string): OptionSpec {
	return { fate: "later", why };
}

function unneeded(why: string): OptionSpec {
	return { fate: "not needed", why };
}

function unmapped(why: string): OptionSpec {
	return { fate: "not mapped", why };
}

const noTls = "there are no encrypted listeners yet";
const noUsers = "there are no users and passwords yet";
const noRules = "there are no rules on topics yet";
const noPlugins = "mosquitto's plugins cannot be loaded";
const ownLog = "the log goes to standard error, and from there to the journal";

const limits: Readonly<Record<string, OptionSpec>> = {
	allow_zero_length_clientid: mapped("allow_zero_length_clientid", flag),
	global_max_connections: mapped(
		"max_connections",
		limitOr("unlimited", 1, (count) => count < 0),
	),
	max_inflight_messages: mapped(
		"max_inflight_messages",
		limitOr("unlimited", 1, (count) => count <= 0 || count === 65_535),
	),
	max_keepalive: mapped(
		"max_keepalive",
		limitOr("65535s", 1, (count) => count === 0, "s"),
	),
	max_packet_size: mapped("max_packet_size", clippedSize(1024)),
	message_size_limit: mapped(
		"max_message_size",
		limitOr("unlimited", 1, (bytes) => bytes === 0, "B"),
	),
	max_queued_bytes: mapped(
		"max_queued_bytes",
		limitOr("unlimited", 1024, (bytes) => bytes <= 0, "B"),
	),
	memory_limit: mapped(
		"memory_limit",
		clippedSize(96 * 1024 * 1024, true),
		"here it bounds the whole process, not what clients hold",
	),
	persistent_client_expiration: mapped("persistent_client_expiration", period),
	queue_qos0_messages: mapped("queue_qos0_messages", flag),
	retain_available: mapped("retain_available", flag),
	upgrade_outgoing_qos: mapped("upgrade_outgoing_qos", flag),
	set_tcp_nodelay: mapped("listener.nodelay", flag),
	max_inflight_bytes: unmapped(
		"the window counts messages (max_inflight_messages), queues count bytes (max_queued_bytes)",
	),
	auto_id_prefix: unmapped(
		"clients without an id are given one of the broker's own making",
	),
	global_max_clients: unmapped(
		"max_sessions bounds the sessions, max_connections the connections",
	),
	retain_expiry_interval: unmapped(
		"retained messages are kept until they are cleared, or expire by themselves",
	),
	packet_buffer_size: unneeded("buffers are sized by the broker"),
	max_queued_messages: structure,
	sys_interval: structure,
	persistence: structure,
	connection_messages: structure,
	log_type: structure,
	log_dest: structure,
	retained_persistence: structure,
	persistence_location: structure,
	persistence_file: structure,
};

const machine: Readonly<Record<string, OptionSpec>> = {
	autosave_interval: unneeded(
		"everything is on the disk before it is acknowledged",
	),
	autosave_on_changes: unneeded(
		"everything is on the disk before it is acknowledged",
	),
	allow_duplicate_messages: unneeded(
		"a client gets a message once, however many of its subscriptions match",
	),
	retry_interval: unneeded(
		"messages are sent again when a client comes back, as MQTT 3.1.1 asks for",
	),
	store_clean_interval: unneeded("what nobody needs any more goes at once"),
	pid_file: unneeded("systemd knows the process"),
	user: unneeded("the unit says which user the broker runs as"),
	daemon: unneeded("systemd starts the broker"),
	log_facility: unneeded(ownLog),
	log_timestamp: unneeded("the journal has the time of each line"),
	log_timestamp_format: unneeded("the journal has the time of each line"),
	websockets_log_level: unneeded("log.level is about all listeners"),
	websockets_headers_size: unneeded("headers are bounded by the broker"),
	ffdc_output: unneeded("there are no such files"),
	max_log_entries: unneeded(ownLog),
	trace_level: unneeded("log.level is about everything"),
	trace_output: unneeded(ownLog),
	include_dir: unneeded("its files have been read as well"),
	per_listener_settings: unneeded("each listener can have its own values here"),
	http_dir: later("there is no HTTP listener yet"),
	http_api_allowed_origins: later("there is no HTTP listener yet"),
	enable_control_api: later("there is no control interface by topics"),
	check_retain_source: later(`${noRules}: there is nothing to check again`),
};

const listeners: Readonly<Record<string, OptionSpec>> = {
	listener: structure,
	port: structure,
	bind_address: structure,
	bind_interface: structure,
	socket_domain: structure,
	protocol: structure,
	allow_anonymous: structure,
	max_qos: structure,
	maximum_qos: structure,
	max_topic_alias: structure,
	max_topic_alias_broker: structure,
	max_connections: ofListener(
		"max_connections",
		limitOr("unlimited", 1, (count) => count < 0),
	),
	accept_protocol_versions: ofListener(
		"allowed_protocol_versions",
		listOfVersions,
	),
	mount_point: closed(
		"topics of all listeners are in one tree here: its clients would use others than before",
	),
	enable_proxy_protocol: closed("the PROXY protocol is not understood yet"),
	proxy_protocol_v2_require_tls: closed(
		"the PROXY protocol is not understood yet",
	),
	websockets_origin: access("origins of WebSocket clients are not checked yet"),
};

const security: Readonly<Record<string, OptionSpec>> = {
	password_file: access(noUsers),
	acl_file: access(noRules),
	clientid_prefixes: access("client ids are not checked"),
	use_username_as_clientid: access(noUsers),
	plugin: access(noPlugins),
	plugin_load: later(noPlugins),
	plugin_use: access(noPlugins),
	global_plugin: access(noPlugins),
	auth_plugin: access(noPlugins),
	auth_plugin_deny_special_chars: later(noPlugins),
	psk_file: later(noTls), // it matters where there is a psk_hint
	psk_hint: closed(noTls),
	cafile: closed(noTls),
	capath: closed(noTls),
	certfile: closed(noTls),
	keyfile: closed(noTls),
	crlfile: closed(noTls),
	require_certificate: closed(noTls),
	use_identity_as_username: closed(noTls),
	use_subject_as_username: closed(noTls),
	disable_client_cert_date_checks: later(noTls),
	ciphers: later(noTls),
	"ciphers_tls1.3": later(noTls),
	dhparamfile: later(noTls),
	tls_engine: later(noTls),
	tls_engine_kpass_sha1: later(noTls),
	tls_keyform: later(noTls),
	tls_version: later(noTls),
};

const bridgeOptions = [
	"connection",
	"address",
	"addresses",
	"bridge_alpn",
	"bridge_attempt_unsubscribe",
	"bridge_bind_address",
	"bridge_cafile",
	"bridge_capath",
	"bridge_certfile",
	"bridge_ciphers",
	"bridge_ciphers_tls1.3",
	"bridge_identity",
	"bridge_insecure",
	"bridge_keyfile",
	"bridge_max_packet_size",
	"bridge_max_topic_alias",
	"bridge_outgoing_retain",
	"bridge_protocol_version",
	"bridge_psk",
	"bridge_receive_maximum",
	"bridge_reload_type",
	"bridge_require_ocsp",
	"bridge_session_expiry_interval",
	"bridge_tcp_keepalive",
	"bridge_tcp_user_timeout",
	"bridge_tls_use_os_certs",
	"bridge_tls_version",
	"cleansession",
	"clientid",
	"idle_timeout",
	"keepalive_interval",
	"local_cleansession",
	"local_clientid",
	"local_password",
	"local_username",
	"notification_topic",
	"notifications",
	"notifications_local_only",
	"password",
	"remote_clientid",
	"remote_password",
	"remote_username",
	"restart_timeout",
	"round_robin",
	"start_type",
	"threshold",
	"topic",
	"try_private",
	"username",
];

export const options: ReadonlyMap<string, OptionSpec> = new Map([
	...Object.entries({ ...limits, ...machine, ...listeners, ...security }),
	...bridgeOptions.map((name): [string, OptionSpec] => [name, bridge]),
]);

/** @returns undefined for one that mosquitto does not have */
export function optionSpec(option: string): OptionSpec | undefined {
	if (/^(auth|plugin)_opt_/.test(option)) return later(noPlugins);
	return options.get(option);
}

/** What follows it is not for other eyes. */
export function isSecret(option: string): boolean {
	return (
		(/(password|psk|passphrase|secret|token|kpass)/i.test(option) &&
			!/(_file|_hint)$/.test(option)) ||
		/^(auth|plugin)_opt_/.test(option)
	);
}
