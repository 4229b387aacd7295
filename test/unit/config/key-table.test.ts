import t from "tap";
import { hasPlaceholder, KeyTable } from "../../../src/config/key-table.ts";
import { coreFragments } from "../../../src/config/schema.ts";
import { parseValue } from "../../../src/config/values.ts";
import { defineFragment } from "../../../src/platform/config-field.ts";
import { editDistance } from "../../../src/platform/nearest-word.ts";

const table = new KeyTable(coreFragments);

t.test("every default is a value of its key", async (t) => {
	for (const field of table.fields) {
		if (hasPlaceholder(field) || field.default === "") continue;
		t.doesNotThrow(() => parseValue(field, field.default), field.key);
	}
});

t.test("every row is complete enough for a manual", async (t) => {
	for (const field of table.fields) {
		t.match(field.key, /^[a-z0-9_.<>]+$/, field.key);
		t.match(field.doc, /^[A-Za-z].*[.)]$/s, `doc of ${field.key}`);
		const acts = field.status === undefined || field.status === "active";
		t.equal(field.why === undefined, acts, `reason of ${field.key}`);
		if (field.type === "choice") t.ok(field.values, `choices of ${field.key}`);
	}
});

t.test("options of listeners exist at three levels [VD015]", async (t) => {
	const option = table.find("listener.max_connections");
	t.ok(option);
	t.equal(table.find("listener.tcp.max_connections"), option);
	t.equal(table.find("listener.tcp.default.max_connections"), option);
	t.equal(table.find("listener.ftp.max_connections"), null);
	t.equal(table.find("listener.tcp.a.b.max_connections"), null);
	t.equal(table.find("listener.tcp.default.certfile"), null);
	t.ok(table.find("listener.ssl.default.certfile"), "[VD030]");
	t.ok(table.find("listener.wss.require_certificate"), "[VD033]");
	t.equal(table.find("listener.tcp.default")?.key, "listener.tcp.<name>");
	t.equal(table.find("listener.tcp.a b"), null);
	t.equal(table.find("listener.tcp.<name>"), null);
	t.equal(table.find("listener"), null);
	t.equal(table.find("listener.tcp"), null);
});

t.test(
	"all keys that VerneMQ can change at run time can [VD113]",
	async (t) => {
		const keys = `allow_anonymous topic_alias_max_broker receive_max_broker
		vmq_acl.acl_file graphite_host vmq_acl.acl_reload_interval graphite_enabled
		queue_type suppress_lwt_on_session_takeover max_message_size
		vmq_passwd.password_file graphite_port max_client_id_size
		upgrade_outgoing_qos max_message_rate graphite_interval
		allow_multiple_sessions systree_enabled max_last_will_delay retry_interval
		receive_max_client max_offline_messages max_online_messages
		max_inflight_messages allow_register_during_netsplit
		vmq_passwd.password_reload_interval topic_alias_max_client
		systree_interval allow_publish_during_netsplit coordinate_registrations
		remote_enqueue_timeout persistent_client_expiration
		allow_unsubscribe_during_netsplit graphite_include_labels
		shared_subscription_policy queue_deliver_mode
		allow_subscribe_during_netsplit`.split(/\s+/);
		t.equal(keys.length, 37);
		for (const key of keys) t.equal(table.find(key)?.runtime, true, key);
	},
);

t.test("knows the keys of other brokers' configurations", async (t) => {
	const keys =
		`listener.http.default listener.vmq.clustering listener.mountpoint
		listener.nr_of_acceptors listener.ssl.default.cafile listener.ssl.keyfile
		listener.ssl.use_identity_as_username listener.tcp.proxy_protocol
		listener.tcp.proxy_protocol_use_cn_as_username listener.wss.default
		plugins.vmq_passwd plugins.vmq_acl plugins.my_plugin plugins.my_plugin.path
		max_drain_time max_msgs_per_drain_step vmq_reg_view reg_views
		outgoing_clustering_buffer_size leveldb.maximum_memory.percent
		distributed_cookie metadata_plugin trade_consistency log.console
		log.console.file log.console.level log.error log.error.file log.crash
		log.crash.file log.crash.maximum_message_size log.crash.size
		log.crash.rotation log.crash.rotation.keep log.syslog log.dir
		log.max_bytes log.max_files erlang.distribution.port_range.minimum
		erlang.distribution.port_range.maximum graphite_api_key
		graphite_connect_timeout graphite_reconnect_timeout graphite_prefix
		max_queued_messages nodename`.split(/\s+/);
	for (const key of keys) {
		t.match(table.find(key)?.status, /later|ignored/, key);
	}
});

t.test("finds the key that was meant", async (t) => {
	for (const [wrong, right] of [
		["max_inflght_messages", "max_inflight_messages"],
		["max_connection", "max_connections"],
		["log_level", "log.level"],
		["Max_QoS", "max_qos"],
		["queue_tpye", "queue_type"],
		["listener.tcp.default.bakclog", "listener.tcp.default.backlog"],
		["listener.max_connection", "listener.max_connections"],
	] as const) {
		t.equal(table.nearest(wrong), right, wrong);
	}
	t.equal(table.nearest("zzzzzzzzzz"), null);
	t.equal(
		table.misspeltOption("listener.tcp.max_conections"),
		"listener.tcp.max_connections",
	);
	t.equal(table.misspeltOption("listener.tcp.kitchen"), null);
	t.equal(table.misspeltOption("max_qos"), null);
});

t.test("counts letters inserted, deleted, changed and swapped", async (t) => {
	t.equal(editDistance("", "abc"), 3);
	t.equal(editDistance("abc", "abc"), 0);
	t.equal(editDistance("abc", "acb"), 1);
	t.equal(editDistance("kitten", "sitting"), 3);
});

t.test(
	"extensions add keys, with placeholders too, and none twice",
	async (t) => {
		const bridge = defineFragment({
			title: "Bridge",
			fields: [
				{
					key: "bridge.<name>.address",
					type: "text",
					default: "",
					runtime: true,
					doc: "Where it goes.",
				},
			],
		});
		const joined = new KeyTable([...coreFragments, bridge]);
		t.equal(
			joined.find("bridge.central.address")?.key,
			"bridge.<name>.address",
		);
		t.equal(joined.find("bridge.central.adress"), null);
		t.equal(joined.find("bridge.a.b.address"), null);
		t.throws(() => new KeyTable([bridge, bridge]), /declared twice/);
	},
);
