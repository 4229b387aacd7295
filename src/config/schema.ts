/**
 * The one table of all keys, joined from its parts, and the type that follows from it.
 *
 * `Settings` is a plain object with a property per active key under the key's own
 * name. There is one such object; a reload changes it in place, so whoever reads
 * `settings.max_inflight_messages` when needed sees the value of the moment.
 */
import type { SchemaFragment, SettingsOf } from "../platform/config-field.ts";
import {
	accessFields,
	connectionFields,
	generalFields,
	packetFields,
} from "./schema-access.ts";
import { ignoredFields } from "./schema-ignored.ts";
import { laterFields } from "./schema-later.ts";
import { limitFields } from "./schema-limits.ts";
import { listenerFields } from "./schema-listeners.ts";
import {
	logFields,
	logFileFields,
	statisticsFields,
	storeFields,
} from "./schema-operation.ts";
import { queueFields, sessionFields, willFields } from "./schema-sessions.ts";

/** The core's part of the table, in the order of the manual. */
export const coreFragments: readonly SchemaFragment[] = [
	generalFields,
	listenerFields,
	accessFields,
	connectionFields,
	packetFields,
	sessionFields,
	queueFields,
	willFields,
	limitFields,
	storeFields,
	logFields,
	statisticsFields,
	logFileFields,
	laterFields,
	ignoredFields,
];

/**
 * All active keys of the core, normalised: durations in milliseconds, sizes in
 * bytes, flags as booleans; "no limit", "never" and "off" of numbers are Infinity.
 */
export type Settings = SettingsOf<typeof generalFields.fields> &
	SettingsOf<typeof accessFields.fields> &
	SettingsOf<typeof connectionFields.fields> &
	SettingsOf<typeof packetFields.fields> &
	SettingsOf<typeof sessionFields.fields> &
	SettingsOf<typeof queueFields.fields> &
	SettingsOf<typeof willFields.fields> &
	SettingsOf<typeof limitFields.fields> &
	SettingsOf<typeof storeFields.fields> &
	SettingsOf<typeof logFields.fields> &
	SettingsOf<typeof statisticsFields.fields>;
