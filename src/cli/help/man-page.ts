/** davit(1), out of the tables in commands/ and flags/: `davit help --man`. */
import type { CommandSpec } from '../command-line/command';
import { allCommands } from '../commands/commands';
import { flagsBeforeCommand, flagsOf, sortedFlags } from '../flags';
import { type Flag, isLaunch, LAUNCHES } from '../flags/flag';
import { flagNames } from './help';

/** The page in the man(7) language. */
export function manPage(version: string): string {
  const commands = allCommands().filter((command) => !command.later);
  const launches = commands.filter(({ name }) => isLaunch(name));
  return [
    `.TH DAVIT 1 "" "davit ${version}" "User Commands"`,
    '.SH NAME',
    'davit \\- services and commands from container images',
    '.SH SYNOPSIS',
    ...commands.map(
      (command) => `.B davit ${quote(command.name)}${command.usage === '' ? '' : `\n${quote(command.usage)}`}\n.br`,
    ),
    '.SH OPTIONS',
    'In front of the command:',
    ...options(flagsBeforeCommand()),
    '.SH COMMANDS',
    ...commands.flatMap(describe),
    '.SH LAUNCH OPTIONS',
    `Of ${launches.map(({ name }) => name).join(', ')}; those of one command alone are in its help.`,
    ...options(launchFlags()),
    '.SH ENVIRONMENT',
    'Each option can be given by the variable named beside it, with the prefix DAVIT_, else APPTAINER_, else SINGULARITY_.',
    'A flag wins; values of \\-\\-bind and \\-\\-mount are added.',
    '.SH EXIT STATUS',
    "1 for a usage error, 255 for an error of davit, otherwise the payload's, 128 + N when signal N ended it.",
    '',
  ].join('\n');
}

/** Each flag once, in the order of their names. */
function launchFlags(): Flag[] {
  const all = new Map(LAUNCHES.flatMap((command) => flagsOf(command)).map((flag) => [flag.name, flag]));
  return sortedFlags([...all.values()]);
}

function describe(command: CommandSpec): string[] {
  const flags = isLaunch(command.name) ? [] : options(flagsOf(command.name));
  return [`.SS davit ${quote(command.name)}`, `${quote(command.description ?? command.summary)}`, ...flags];
}

function options(flags: readonly Flag[]): string[] {
  return sortedFlags(flags)
    .filter((flag) => !flag.hidden && flag.state !== 'later')
    .map((flag) => {
      const variables = flag.env.length > 0 ? ` (${flag.env.join(', ')})` : '';
      return `.TP\n.B ${quote(flagNames(flag).trim())}\n${quote(flag.help)}${quote(variables)}`;
    });
}

/** Hyphens that are typed, backslashes, and lines that would be requests. */
function quote(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}
