/** What `broker --help` says. */
import type { CommandSpec } from "../platform/command.ts";

const head = `Usage: broker [-c FILE] [--set KEY=VALUE]...       run the broker
       broker --check-config [-c FILE]              check the configuration, change nothing
       broker config show [KEY...] [--all] [--json] each value and where it comes from
       broker config schema                         all keys as JSON
       broker --version | --licenses | --help

The running broker, or the state of one that does not run:

`;

const tail = `
  -c, --config FILE    read FILE instead of /etc/broker/broker.conf
      --set KEY=VALUE  overrules the file; may be given several times
      --socket PATH    the admin socket of the running broker, when it is not where the
                       configuration says (admin.socket)
      --json           what a command prints, for programs
      --reset-state    move sessions, queued and retained messages aside and start with none
      --check-config   print every mistake with file and line; exit code 1 if there is one

Every key can also be set by the environment: BROKER_LISTENER__TCP__DEFAULT=127.0.0.1:1884
SIGHUP reads the configuration again, SIGTERM stops the broker.
Exit codes: 0 done, 1 not done, 64 wrong arguments, 69 no broker answers, 78 wrong configuration.
`;

const SUMMARY_COLUMN = 52;

export function usage(specs: readonly CommandSpec<never>[]): string {
	const commands = specs.map(({ name, synopsis, summary }) => {
		const call = `       broker ${name} ${synopsis}`.trimEnd();
		return call.length < SUMMARY_COLUMN
			? `${call.padEnd(SUMMARY_COLUMN)}${summary}\n`
			: `${call}\n${" ".repeat(SUMMARY_COLUMN)}${summary}\n`;
	});
	return `${head}${commands.join("")}${tail}`;
}
