import { describe, expect, it } from 'vitest';
import { allCommands } from '../../../src/cli/commands/commands';
import { allFlags, flagsBeforeCommand, flagsOf, sortedFlags } from '../../../src/cli/flags';
import { camelCase, type Flag } from '../../../src/cli/flags/flag';
import { flagList } from '../../../src/cli/help/help';

const commands = [...new Set(allFlags().flatMap((flag) => flag.commands))];

describe('the flag table', () => {
  it('has every name and every letter once a command', () => {
    for (const command of commands) {
      const flags = flagsOf(command);
      const names = flags.map((flag) => flag.name);
      const shorts = flags.flatMap((flag) => flag.short ?? []);
      expect(new Set(names).size, command).toBe(names.length);
      expect(new Set(shorts).size, `${command}: ${shorts}`).toBe(shorts.length);
    }
  });

  it('finds for each command exactly the rows that name it', () => {
    for (const command of commands) {
      const rows = allFlags().filter((flag) => flag.commands.includes(command));
      expect(flagsOf(command).map((flag) => flag.name)).toEqual(rows.map((flag) => flag.name));
    }
    expect(
      allFlags()
        .filter((flag) => flag.commands.length === 0)
        .map((flag) => flag.name),
    ).toEqual(flagsBeforeCommand().map((flag) => flag.name));
  });

  it('says for every flag that does not simply work why', () => {
    for (const flag of allFlags()) if (flag.state !== 'works') expect(flag.note, flag.name).toBeTruthy();
  });

  it('has flags only of commands that exist', () => {
    const known = allCommands().map((command) => command.name);
    for (const command of commands) {
      const group = command.split(' ')[0] as string;
      expect(known.includes(command) || known.includes(group), command).toBe(true);
    }
  });

  it('has the flags that the actions and the starts do not share', () => {
    const names = (command: string): string[] =>
      sortedFlags(flagsOf(command))
        .filter((flag) => !flag.own)
        .map((flag) => flag.name);
    const start = new Set(names('instance start'));
    const only = (command: string): string[] => names(command).filter((name) => !start.has(name));
    expect(only('exec')).toEqual(['cdi-dirs', 'cwd', 'device', 'no-pid', 'pid', 'pwd', 'sharens']);
    expect(only('test')).toEqual(only('exec'));
    expect(only('run')).toEqual(['cdi-dirs', 'cwd', 'device', 'no-pid', 'pid', 'pwd', 'runscript-timeout', 'sharens']);
    expect(only('shell')).toEqual(['cdi-dirs', 'cwd', 'device', 'no-pid', 'pid', 'pwd', 'sharens', 'shell']);
    expect(only('instance run')).toEqual(['runscript-timeout']);
    const exec = new Set(names('exec'));
    expect([...start].filter((name) => !exec.has(name))).toEqual(['boot', 'dmtcp-launch', 'dmtcp-restart', 'pid-file']);
  });

  it('has a short help text for every flag, and no sentence', () => {
    for (const flag of allFlags()) {
      expect(flag.help, flag.name).toMatch(/^\S.{1,108}[^.\s]$/);
    }
  });
});

describe('camelCase', () => {
  it('joins words', () => {
    expect(camelCase('writable-tmpfs')).toBe('writableTmpfs');
    expect(camelCase('uts')).toBe('uts');
  });
});

describe('flagList', () => {
  it('aligns the help texts and wraps them', () => {
    const flag = (details: Partial<Flag>): Flag => ({
      name: 'x',
      key: 'x',
      type: 'bool',
      env: [],
      commands: [],
      help: 'do x',
      state: 'works',
      ...details,
    });
    const long = 'a help text that is far too long to fit into one line of a terminal';
    expect(
      flagList([
        flag({ short: 'x' }),
        flag({ name: 'long', type: 'list', help: long, default: '3' }),
        flag({ hidden: true }),
      ]),
    ).toBe(
      '  -x, --x              do x\n' +
        '      --long strings   a help text that is far too long to fit into one\n' +
        '                       line of a terminal (default 3)\n',
    );
  });
});
