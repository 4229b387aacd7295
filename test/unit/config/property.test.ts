import fc from "fast-check";
import t from "tap";
import {
	ConfigError,
	isSimple,
	loadConfig,
} from "../../../src/config/config.ts";
import { KeyTable } from "../../../src/config/key-table.ts";
import { parseConfigText, quoteValue } from "../../../src/config/parse.ts";
import { coreFragments } from "../../../src/config/schema.ts";
import {
	formatValue,
	parseValue,
	ValueError,
} from "../../../src/config/values.ts";
import type {
	ConfigValue,
	FieldSpec,
} from "../../../src/platform/config-field.ts";
import { optionsOf } from "./load.ts";

const table = new KeyTable(coreFragments);
const simple = table.fields.filter(
	(field) => isSimple(field) && field.key !== "include_dir",
);

/** Text without control characters, which no file can hold. */
const text = fc
	.string({ unit: "grapheme" })
	.filter((one) => !/\p{Cc}/u.test(one));

/** Any value a field can have. */
function anyValue(field: FieldSpec): fc.Arbitrary<ConfigValue> {
	const number = fc.integer({
		min: field.min ?? 0,
		max: field.max ?? Number.MAX_SAFE_INTEGER,
	});
	switch (field.type) {
		case "flag":
			return fc.boolean();
		case "choice":
			return fc.constantFrom(...(field.values ?? []));
		case "list":
		case "addresses":
			return fc.constant([]);
		case "text":
			return text.filter(
				(one) => !Object.hasOwn(field.aliases ?? {}, one.toLowerCase()),
			);
		case "path":
			return fc.stringMatching(/^\/[a-z #"'=]{1,9}[a-z]$/);
		default:
			return field.noLimit === undefined
				? number
				: fc.oneof(number, fc.constant(Number.POSITIVE_INFINITY));
	}
}

/** What a program would not say of a value: `0` where it is a word for no limit. */
function isWritable(field: FieldSpec, value: ConfigValue): boolean {
	return (
		value === Number.POSITIVE_INFINITY ||
		field.noLimit?.includes(formatValue(field, value)) !== true
	);
}

t.test("what is written is read back as it was", async () => {
	const settings = fc.record(
		Object.fromEntries(
			simple.map((field) => [
				field.key,
				anyValue(field).filter((value) => isWritable(field, value)),
			]),
		),
	);
	fc.assert(
		fc.property(settings, (wanted) => {
			const lines = simple.map((field) => {
				const value = wanted[field.key] ?? "";
				return `${field.key} = ${quoteValue(formatValue(field, value))}`;
			});
			const { assignments, problems } = parseConfigText(lines.join("\n"), "f");
			if (problems.length > 0) throw new Error(problems[0]?.message);
			for (const { key, value } of assignments) {
				const field = table.find(key);
				if (field === null) throw new Error(key);
				const read = parseValue(field, value);
				if (!Object.is(read, wanted[key])) {
					throw new Error(
						`${key}: ${String(wanted[key])} became ${String(read)}`,
					);
				}
			}
		}),
		{ numRuns: 200 },
	);
});

t.test("no text makes it throw anything but its own errors", async () => {
	const key = fc.oneof(
		fc.constantFrom(...table.fields.map((field) => field.key)),
		fc.constantFrom(
			"listener.tcp.default",
			"listener.tcp.a.backlog",
			"listener.unix.u",
			"__proto__",
			"listener.",
			"..",
		),
		fc.string(),
	);
	const value = fc.oneof(
		fc.string(),
		fc.constantFrom(
			"off",
			"0",
			"-1",
			"127.0.0.1:1",
			'"',
			"1e999",
			"9".repeat(400),
		),
	);
	const set = fc.tuple(key, value).map(([k, v]) => `${k}=${v}`);
	fc.assert(
		fc.property(fc.array(set, { maxLength: 6 }), fc.string(), (sets, extra) => {
			parseConfigText(extra, "f");
			try {
				loadConfig(optionsOf({ sets: [...sets, extra] }));
			} catch (error) {
				if (!(error instanceof ConfigError)) throw error;
			}
		}),
		{ numRuns: 1000 },
	);
});

t.test("any text is a value of a field, or a ValueError", async () => {
	fc.assert(
		fc.property(
			fc.constantFrom(...table.fields),
			fc.string({ unit: "binary" }),
			(field, value) => {
				try {
					parseValue(field, value);
				} catch (error) {
					if (!(error instanceof ValueError)) throw error;
				}
			},
		),
		{ numRuns: 2000 },
	);
});
