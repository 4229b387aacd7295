/** `broker doctor`, as a row of the table. Its checks are loaded when it is called. */
import { loadWithMistakes } from "../config/config.ts";
import { type CommandSpec, jsonOption } from "../platform/command.ts";
import type { CliCall } from "./cli-call.ts";

export const doctorCommand: CommandSpec<CliCall> = {
	name: "doctor",
	summary: "what is wrong with machine or configuration, and how to mend it",
	about: [
		"Looks at the configuration, ports, owners and permissions, the file system and its free space, the state, the kernel's log, memory, descriptors, the clock, power, the service, and who can connect; whether or not a broker runs. It changes nothing, and waits for nothing longer than a few seconds.",
		"Each finding is ok, a note, a warning or a problem, with the command that mends it. The exit code is 0 when all is well, 1 for warnings, 2 for problems. Root sees more: what was not visible is said.",
	],
	options: { json: jsonOption },
	examples: ["doctor", "doctor -c /etc/broker/second.conf", "doctor --json"],
	async run(call) {
		const { doctor } = await import("./doctor/doctor.ts");
		return doctor(call, loadWithMistakes);
	},
};
