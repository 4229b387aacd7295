import t from "tap";
import {
	AdminClient,
	type SocketPlaces,
	socketPlaces,
} from "../../../src/cli/admin-client.ts";
import { optionsOf } from "../config/load.ts";
import { startAdminRig } from "../extensions/admin-fixture.ts";

const here = process.cwd();
const service = ["/run/broker/admin.sock", "/var/lib/broker/admin.sock"];

t.test("the socket is looked for where the broker has it", async (t) => {
	t.same(socketPlaces(optionsOf(), undefined), {
		paths: [`${here}/data/admin.sock`, ...service],
		dataDir: null,
	});
	t.same(socketPlaces(optionsOf({ sets: ["data_dir=/srv/b"] }), undefined), {
		paths: ["/srv/b/admin.sock", ...service],
		dataDir: "/srv/b",
	});
	t.same(socketPlaces(optionsOf({ sets: ["admin.socket=/s"] }), undefined), {
		paths: ["/s"],
		dataDir: null,
	});
	t.same(socketPlaces(optionsOf({ sets: ["admin.socket=/s"] }), "/t"), {
		paths: ["/t"],
		dataDir: null,
	});
	const env = { RUNTIME_DIRECTORY: "/run/two:/x" };
	t.equal(
		socketPlaces(optionsOf({ env }), undefined).paths[0],
		"/run/two/admin.sock",
	);
	const underSystemd = optionsOf({ underSystemd: true });
	t.same(socketPlaces(underSystemd, undefined).paths, service);
	t.throws(
		() => socketPlaces(optionsOf({ sets: ["admin.socket=off"] }), undefined),
		/admin.socket is off/,
	);
});

t.test("mistakes in the configuration do not hide the socket", async (t) => {
	const sets = ["data_dir=/srv/b", "max_qos=9", "nonsense=1"];
	const { paths } = socketPlaces(optionsOf({ sets }), undefined);
	t.equal(paths[0], "/srv/b/admin.sock");
});

t.test("a broker with another data_dir is not the one meant", async (t) => {
	const { socket } = await startAdminRig(t);
	const find = (places: SocketPlaces) => new AdminClient(() => places).find();
	const paths = ["/nonexistent/admin.sock", socket];
	t.equal(await find({ paths, dataDir: null }), socket);
	t.equal(await find({ paths, dataDir: `${here}/data` }), socket);
	await t.rejects(find({ paths, dataDir: "/srv/b" }), {
		exitCode: 69,
		message: `has its state in ${here}/data, not /srv/b`,
	});
});

t.test(
	"a refusal comes in the broker's words, with what it adds",
	async (t) => {
		const { socket } = await startAdminRig(t);
		const places = { paths: [socket], dataDir: null };
		const client = new AdminClient(() => places);
		await t.rejects(client.ask("GET", "/sessions?limit=0"), {
			exitCode: 1,
			message: "limit is a whole number from 1 to 1000",
		});
		t.match(await client.ask("GET", "/ping"), { pid: process.pid });
	},
);
