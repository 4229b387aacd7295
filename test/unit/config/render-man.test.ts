import t from "tap";
import { renderManPage } from "../../../src/config/render-man.ts";
import { coreFragments } from "../../../src/config/schema.ts";
import { defineFragment } from "../../../src/platform/config-field.ts";

t.test("every key that acts has a paragraph", (t) => {
	const page = renderManPage(coreFragments, "1.2.3");
	t.match(page, /^\.TH BROKER\.CONF 5 "" "broker 1\.2\.3"/);
	const heads = page.split("\n").filter((line) => line.startsWith(".B "));
	for (const { fields } of coreFragments) {
		for (const { key, status } of fields) {
			if ((status ?? "active") !== "active") continue;
			const name = key.replaceAll("-", "\\-").split("<")[0] ?? "";
			t.ok(
				heads.some((head) => head.includes(name)),
				key,
			);
		}
	}
	t.end();
});

t.test("text cannot act as a macro or an escape", (t) => {
	const fragment = defineFragment({
		title: "Odd",
		fields: [
			{
				key: "odd.key",
				type: "text",
				default: "a\\b-c",
				runtime: true,
				doc: ".conf files with `this`",
			},
		],
	});
	const page = renderManPage([fragment], "");
	t.match(page, "\n.B odd.key = a\\eb\\-c\n\\&.conf files with this\n");
	t.end();
});
