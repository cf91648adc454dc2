/** The generated part of docs/compatibility.md: every flag with its state, out of the flag table. */
import { allCommands } from '../commands/commands';
import { allFlags } from '../flags';
import { type Flag, isLaunch, LAUNCHES } from '../flags/flag';

export const BEGIN = '<!-- begin: generated from src/cli/flags; a unit test compares -->';
export const END = '<!-- end -->';

/** Markdown between BEGIN and END, both included. */
export function compatibilityTables(): string {
  const flags = allFlags();
  const of = (command: string): Flag[] => flags.filter((flag) => flag.commands.includes(command));
  const working = allCommands().filter(({ later, load, name }) => load && !later && !isLaunch(name));
  const parts = [
    section('In front of the command', table(flags.filter((flag) => flag.commands.length === 0))),
    section(LAUNCHES.join(', '), launchTable(flags.filter((flag) => flag.commands.some(isLaunch)))),
    ...working.filter(({ name }) => of(name).length > 0).map(({ name }) => section(name, table(of(name)))),
    section('Commands that are not there yet', laterTable(flags)),
  ];
  return [BEGIN, ...parts, END, ''].join('\n');
}

function section(title: string, body: string): string {
  return `\n### ${title}\n\n${body}`;
}

function table(flags: readonly Flag[]): string {
  const rows = sorted(flags).map(
    (flag) => `| ${[names(flag), variables(flag), state(flag), flag.note ?? ''].join(' | ')} |`,
  );
  return ['| flag | environment | state | note |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

/** As table(), with a column for the flags that not all launch commands have. */
function launchTable(flags: readonly Flag[]): string {
  const only = (flag: Flag): string => (flag.commands.length === LAUNCHES.length ? '' : flag.commands.join(', '));
  const rows = sorted(flags).map(
    (flag) =>
      `| ${[names(flag), variables(flag), state(flag), flag.joins ? 'yes' : '', only(flag), flag.note ?? ''].join(' | ')} |`,
  );
  return [
    '| flag | environment | state | on `instance://` | only for | note |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

/** One line a command that is refused. */
function laterTable(flags: readonly Flag[]): string {
  const groups = allCommands().filter((command) => command.later);
  const rows = groups.flatMap(({ name: group }) => {
    const commands = [...new Set(flags.flatMap((flag) => flag.commands))].filter(
      (command) => command === group || command.startsWith(`${group} `),
    );
    return (commands.length > 0 ? commands.sort() : [group]).map((command) => {
      const own = sorted(flags.filter((flag) => flag.commands.includes(command)));
      return `| ${command} | ${own.map(names).join(', ')} |`;
    });
  });
  return ['| command | flags |', '| --- | --- |', ...rows, ''].join('\n');
}

function sorted(flags: readonly Flag[]): Flag[] {
  return [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function names(flag: Flag): string {
  return flag.short === undefined ? `\`--${flag.name}\`` : `\`--${flag.name}\` \`-${flag.short}\``;
}

function variables(flag: Flag): string {
  return flag.env.join(', ');
}

function state(flag: Flag): string {
  const word = { works: 'works', accepted: 'accepted', later: 'not yet' }[flag.state];
  return flag.own ? `${word} (davit's own)` : flag.state === 'works' && flag.note ? 'works, differs' : word;
}
