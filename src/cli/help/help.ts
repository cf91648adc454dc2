/** Usage and help texts, out of the tables in commands/ and flags/. */
import type { CommandSpec } from '../command-line/command';
import { subcommandsOf } from '../commands/commands';
import { flagsBeforeCommand, flagsOf, sortedFlags } from '../flags';
import { type Flag, type FlagType, HELP } from '../flags/flag';
import { timingFlags } from '../flags/global';

const PROGRAM = 'davit';
const WIDTH = 80;
/** Help text wider than this is hard to read, also beside narrow flags. */
const HELP_WIDTH = 48;
/** Narrowest column of names in a list of commands. */
const NAME_WIDTH = 11;

const MORE = `Run '${PROGRAM} --help' for more detailed usage information.\n`;

/** What is printed when the arguments of a command are wrong; without a command, or for a group, its commands. */
export function usageText(command: CommandSpec | undefined): string {
  const name = command?.name ?? '';
  const commands = subcommandsOf(name);
  const line = commands.length > 0 ? usageLine(name, '<command>') : usageLine(name, command?.usage ?? '');
  return `Usage:\n  ${line}\n\n${commands.length > 0 ? `${commandList(commands)}\n` : ''}${MORE}`;
}

/** What is printed for a flag that does not exist or whose value does not fit. */
export function optionsText(command: CommandSpec | undefined): string {
  const flags = command === undefined ? flagsBeforeCommand() : flagsTaken(command);
  const word = lastWord(command?.name ?? PROGRAM);
  return `Options for ${word} command:\n\n${flagList(withHelp(flags, word))}\n${MORE}`;
}

/** What `help` prints. */
export function helpText(command: CommandSpec | undefined): string {
  return command === undefined ? programHelp() : commandHelp(command);
}

function programHelp(): string {
  const commands = subcommandsOf('');
  const later = commands.filter((command) => command.later).map((command) => command.name);
  return [
    'Runs services and commands from container images, without a setuid program.\n',
    `Usage:\n  ${PROGRAM} [global options...] <command>\n`,
    `Options:\n${flagList(withHelp(flagsBeforeCommand(), PROGRAM))}`,
    commandList(commands),
    `Not supported yet:\n${indent(wrap(later.join(', '), WIDTH - 2), 2)}\n`,
    `Examples:\n  $ ${PROGRAM} help <command> [<subcommand>]\n  $ ${PROGRAM} help instance start\n`,
  ].join('\n');
}

function commandHelp(command: CommandSpec): string {
  const commands = subcommandsOf(command.name);
  const usage = commands.length > 0 ? '<command>' : command.usage;
  const parts = [
    `${command.summary}${command.later ? ' (not supported yet)' : ''}\n`,
    `Usage:\n  ${PROGRAM} ${command.name}${usage === '' ? '' : ` ${usage}`}\n`,
  ];
  if (command.description) parts.push(`Description:\n${indent(wrap(command.description, WIDTH - 4), 2)}\n`);
  parts.push(`Options:\n${flagList(withHelp(flagsTaken(command), lastWord(command.name)))}`);
  if (commands.length > 0) parts.push(commandList(commands));
  if (command.examples) parts.push(`Examples:\n${command.examples.map((text) => `  $ ${text}\n`).join('')}`);
  return parts.join('\n');
}

/** A command's own flags, and those that every command takes among them; not where only its help can be asked for. */
function flagsTaken(command: CommandSpec): Flag[] {
  return [...flagsOf(command.name), ...(command.load === undefined ? [] : timingFlags())];
}

function usageLine(name: string, rest: string): string {
  return [PROGRAM, '[global options...]', name, rest].filter((word) => word !== '').join(' ');
}

function lastWord(name: string): string {
  return name.slice(name.lastIndexOf(' ') + 1);
}

function commandList(commands: CommandSpec[]): string {
  const shown = commands.filter((command) => !command.later).sort((a, b) => (a.name < b.name ? -1 : 1));
  const width = Math.max(NAME_WIDTH, ...shown.map(({ name }) => lastWord(name).length));
  const lines = shown.map(({ name, summary }) => `  ${lastWord(name).padEnd(width)} ${summary}\n`);
  return `Available Commands:\n${lines.join('')}`;
}

/** All rows that are shown; the words `help for X` stand in the place of the table's. */
function withHelp(flags: readonly Flag[], word: string): Flag[] {
  const rest = flags.filter((flag) => flag.name !== 'help');
  return sortedFlags([...rest, { ...HELP, help: `help for ${word}` }]);
}

/** What the value of a flag is called. */
const TYPE_NAME: Record<FlagType, string> = {
  bool: '',
  string: 'string',
  int: 'int',
  seconds: 'seconds',
  choice: '',
  list: 'strings',
  array: 'stringArray',
  map: 'stringToString',
};

/** The flags with their help beside them, one below the other. */
export function flagList(flags: readonly Flag[]): string {
  const shown = flags.filter((flag) => !flag.hidden);
  const names = shown.map(flagNames);
  const width = Math.max(...names.map((text) => text.length)) + 3;
  const help = (flag: Flag): string => {
    const extra = flag.default === undefined ? '' : ` (default ${flag.default})`;
    const state = flag.state === 'later' ? ' (not supported yet)' : '';
    return `${flag.help}${extra}${state}`;
  };
  return shown
    .map((flag, index) => {
      const [first, ...others] = wrap(help(flag), Math.min(HELP_WIDTH, Math.max(20, WIDTH - width)));
      return `${(names[index] as string).padEnd(width)}${first}\n${others.map((line) => `${' '.repeat(width)}${line}\n`).join('')}`;
    })
    .join('');
}

/** `  -B, --bind stringArray`. */
export function flagNames(flag: Flag): string {
  const value = flag.choices === undefined ? TYPE_NAME[flag.type] : flag.choices.join('|');
  const optional = flag.implied !== undefined && flag.type !== 'bool';
  const suffix = value === '' ? '' : optional ? `[=${value}]` : ` ${value}`;
  return `  ${flag.short === undefined ? '    ' : `-${flag.short}, `}--${flag.name}${suffix}`;
}

function indent(lines: string[], by: number): string {
  return lines.map((line) => ' '.repeat(by) + line).join('\n');
}

/** Breaks a text at blanks into lines of at most `width` characters; longer words stand alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
