import { join } from "node:path";
import t from "tap";
import { readCredentials } from "../../../../src/cli/bench/crowd.ts";

const env = { MQTT_USERNAME: "eve", MQTT_PASSWORD: "s3cret" };

t.test("of the environment, or nobody's", async (t) => {
	t.same(readCredentials("", env), { username: "eve", password: "s3cret" });
	t.same(readCredentials("", {}), { username: null, password: null });
});

t.test("of a file, which counts more", async (t) => {
	const folder = t.testdir({
		both: "adam\n p w \n",
		windows: "adam\r\npw\r\n",
		alone: "adam\n",
	});
	const read = (name: string) => readCredentials(join(folder, name), env);
	t.same(read("both"), { username: "adam", password: " p w " });
	t.same(read("windows"), { username: "adam", password: "pw" });
	t.same(read("alone"), { username: "adam", password: null });
	t.throws(() => read("absent"), { code: "ENOENT" });
});
