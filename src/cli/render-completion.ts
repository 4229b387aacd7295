/** Writes the table of commands as a completion for bash, for broker and brokerctl. */
import type { CommandDescription, CommandOption } from "../platform/command.ts";
import { generalOptions, runCommand } from "./program.ts";

type Options = Readonly<Record<string, CommandOption>>;

/** Words that stand for a file in options and operands. */
const FILE = /^(FILE|PATH|DIR)$/;

/** @param keys of the configuration, for `--set KEY=VALUE` and operands KEY */
export function renderCompletion(
	specs: readonly CommandDescription[],
	keys: readonly string[],
): string {
	const options = [runCommand, ...specs].map(({ options = {} }) => options);
	const all: Options = Object.assign({}, generalOptions, ...options);
	const withValue = optionWords(all, ({ value }) => value !== undefined);
	const withFile = optionWords(all, ({ value = "" }) => FILE.test(value));
	return `# bash completion for broker and brokerctl, made of the table of commands by \`npm run conf\`.

_broker() {
	local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
	local keys="${keys.join(" ")}"
	local command="" options="" words="" i
	COMPREPLY=()

	# bash takes = for a word of its own.
	if [[ $cur == "=" ]]; then
		cur=""
	elif [[ $prev == "=" ]]; then
		prev=\${COMP_WORDS[COMP_CWORD - 2]}
	fi

	for ((i = 1; i < COMP_CWORD; i++)); do
		case \${COMP_WORDS[i]} in
			${withValue.join(" | ")})
				((i++))
				[[ \${COMP_WORDS[i]} == "=" ]] && ((i++))
				;;
			=) ((i++)) ;;
			-*) ;;
			*) command+="\${command:+ }\${COMP_WORDS[i]}" ;;
		esac
	done

	case $prev in
		${withFile.join(" | ")})
			words=FILE
			;;
		--set)
			words=KEY=
			;;
		${withValue.filter((word) => !withFile.includes(word) && word !== "--set").join(" | ")})
			return
			;;
	esac

	if [[ -z $words ]]; then
		case $command in
${caseLines(specs)}
		esac
		[[ $cur == -* ]] && words="${optionWords(generalOptions).join(" ")} $options"
	fi

	case $words in
		FILE)
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		KEY) mapfile -t COMPREPLY < <(compgen -W "$keys" -- "$cur") ;;
		KEY=)
			compopt -o nospace 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -S = -W "$keys" -- "$cur")
			;;
		*) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
	esac
}

complete -F _broker broker brokerctl
`;
}

/** For each command what may follow it; more words than it has are left alone. */
function caseLines(specs: readonly CommandDescription[]): string {
	const firstWords = [
		...new Set(["run", ...specs.map(({ name }) => name.split(" ")[0])]),
	];
	const groups = [
		...new Set(
			specs
				.filter(({ name }) => name.includes(" "))
				.map(({ name }) => name.split(" ")[0] ?? "")
				// One that is a command itself offers both.
				.filter((group) => !specs.some(({ name }) => name === group)),
		),
	];
	const caseOf = (pattern: string, words: string, options: Options = {}) =>
		`\t\t\t${pattern})\n\t\t\t\twords="${words}"\n\t\t\t\toptions="${optionWords(options).join(" ")}"\n\t\t\t\t;;`;
	return [
		caseOf('""', firstWords.join(" "), runCommand.options),
		caseOf("run", "", runCommand.options),
		caseOf("help", firstWords.join(" ")),
		...groups.map((group) => {
			const words = subcommands(group, specs);
			return caseOf(`${group} | "help ${group}"`, words.join(" "));
		}),
		...specs.map(({ name, operands = "", options }) => {
			const operand = /^\[?(\w+)(\.\.\.)?\]?/.exec(operands);
			const isKnown = FILE.test(operand?.[1] ?? "") || operand?.[1] === "KEY";
			const isRepeated = operand?.[2] !== undefined;
			const alternatives = [
				...(operands.includes("|") ? operands.split("|") : []),
				...subcommands(name, specs),
			];
			return caseOf(
				`"${name}"${isRepeated || alternatives.length > 0 ? ` | "${name} "*` : ""}`,
				alternatives.length > 0
					? alternatives.join(" ")
					: isKnown
						? (operand?.[1] ?? "").replace("PATH", "FILE")
						: "",
				options,
			);
		}),
	].join("\n");
}

/** `run` of `bench run`. */
function subcommands(
	group: string,
	specs: readonly CommandDescription[],
): string[] {
	return specs
		.filter(({ name }) => name.startsWith(`${group} `))
		.map(({ name }) => name.slice(group.length + 1));
}

/** `-c --config --set`. */
function optionWords(
	options: Options,
	filter: (option: CommandOption) => boolean = () => true,
): string[] {
	return Object.entries(options)
		.filter(([, option]) => filter(option))
		.flatMap(([name, { short }]) =>
			short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`],
		);
}
