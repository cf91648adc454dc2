/** completion: scripts for shells, out of the tables in commands/ and flags/. */
import { RuntimeError } from '../../errors';
import type { CommandContext, CommandModule, CommandSpec } from '../command-line/command';
import { flagsBeforeCommand, flagsOf } from '../flags';
import type { Flag } from '../flags/flag';

/** The functions of commands.ts that this command asks: that table has a row for it, and so hands itself over. */
export interface CommandTable {
  allCommands(): readonly CommandSpec[];
  /** Commands one word longer than `group`; the top level for ''. */
  subcommandsOf(group: string): readonly CommandSpec[];
}

export function completionOf(table: CommandTable): CommandModule {
  return {
    run({ args, terminal }: CommandContext): number {
      const shell = args[0] as string;
      const make = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
      if (!make) throw new RuntimeError('USAGE', `no completion for "${shell}": bash, zsh or fish`);
      terminal.out(make(table));
      return 0;
    },
  };
}

function known({ allCommands }: CommandTable): CommandSpec[] {
  return allCommands().filter((command) => !command.later);
}

function visible(flags: readonly Flag[]): Flag[] {
  return flags.filter((flag) => !flag.hidden);
}

/** One `case` branch a command: its subcommands and flags. Everything else is completed as a file name. */
function bashScript(table: CommandTable): string {
  const words = (name: string): string =>
    [
      ...table
        .subcommandsOf(name)
        .filter((command) => !command.later)
        .map((command) => command.name.split(' ').pop()),
      ...visible(name === '' ? flagsBeforeCommand() : flagsOf(name)).map((flag) => `--${flag.name}`),
      '--help',
    ].join(' ');
  const branches = ['', ...known(table).map(({ name }) => name)].map(
    (name) => `    '${name}') words='${words(name)}' ;;`,
  );
  return `_davit() {
  local current=\${COMP_WORDS[COMP_CWORD]} command= word words=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$command $word" in
      ${known(table)
        .map(({ name }) => `'${name.includes(' ') ? name : ` ${name}`}'`)
        .join('|')}) command="\${command:+$command }$word" ;;
    esac
  done
  case "$command" in
${branches.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _davit davit
`;
}

function zshScript(table: CommandTable): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(table)}`;
}

function fishScript(table: CommandTable): string {
  const quote = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
  const lines = known(table).map(({ name, summary }) => {
    const [group, word] = name.includes(' ') ? name.split(' ') : [undefined, name];
    const condition = group === undefined ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${group}`;
    return `complete -c davit -n ${quote(condition)} -a ${word} -d ${quote(summary)}`;
  });
  const flagLine = (flag: Flag, name: string): string =>
    [
      `complete -c davit -n ${quote(name === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${name.split(' ').pop()}`)}`,
      flag.short === undefined ? '' : `-s ${flag.short}`,
      `-l ${flag.name}`,
      flag.implied === undefined ? '-r' : '',
      `-d ${quote(flag.help)}`,
    ]
      .filter((part) => part !== '')
      .join(' ');
  for (const name of ['', ...known(table).map((command) => command.name)]) {
    const flags = visible(name === '' ? flagsBeforeCommand() : flagsOf(name));
    lines.push(...flags.map((flag) => flagLine(flag, name)));
  }
  return `${lines.join('\n')}\n`;
}
