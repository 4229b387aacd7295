import t from "tap";
import {
	AdminRefusal,
	type AdminRoute,
	AdminRoutes,
} from "../../../src/broker/admin-routes.ts";

const route = (
	method: AdminRoute["method"],
	path: string,
	answer = path,
): AdminRoute => ({ method, path, summary: "", handle: () => answer });

function table(...routes: AdminRoute[]): AdminRoutes {
	const table = new AdminRoutes();
	for (const one of routes) table.add(one);
	return table;
}

t.test("a route is found by method and path", async (t) => {
	const routes = table(
		route("GET", "/a"),
		route("POST", "/a"),
		route("GET", "/a/b"),
	);
	t.equal(routes.find("GET", "/a").route.path, "/a");
	t.equal(routes.find("POST", "/a").route.method, "POST");
	t.equal(routes.find("GET", "/a/b").route.path, "/a/b");
});

t.test("a part of the path may be any text", async (t) => {
	const routes = table(route("DELETE", "/sessions/:id"));
	const idOf = (part: string) =>
		routes.find("DELETE", `/sessions/${part}`).parameters.id;
	t.equal(idOf("a%2Fb%20%C3%A4"), "a/b ä");
	t.equal(idOf("__proto__"), "__proto__");
	t.throws(
		() => idOf("%ff"),
		new AdminRefusal(400, "%ff is not percent-encoded UTF-8"),
	);
	t.throws(() => idOf("a/b"), AdminRefusal);
});

t.test("what is not there is refused in words", async (t) => {
	const routes = table(route("GET", "/a"), route("PUT", "/a"));
	t.throws(
		() => routes.find("GET", "/"),
		new AdminRefusal(404, "there is no GET /; GET /routes lists what there is"),
	);
	t.throws(
		() => routes.find("DELETE", "/a"),
		new AdminRefusal(405, "/a takes GET or PUT, not DELETE"),
	);
});

t.test(
	"two routes of one name are a mistake; one can be removed",
	async (t) => {
		const routes = table(route("GET", "/b"));
		const remove = routes.add(route("GET", "/a"));
		t.throws(() => routes.add(route("GET", "/a")), /GET \/a/);
		remove();
		remove();
		t.same(
			routes.all.map(({ path }) => path),
			["/b"],
		);
		routes.add(route("GET", "/a"));
	},
);
