/** What is made out of the tables: completions and the manual page. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { dispatch } from '../../../src/cli/dispatch';
import { Terminal } from '../../../src/cli/terminal/render';

async function output(...argv: string[]): Promise<string> {
  let out = '';
  const terminal = new Terminal((fd, text) => {
    if (fd === 1) out += text;
  });
  expect(await dispatch(argv, {}, terminal)).toBe(0);
  return out;
}

describe('completion bash', () => {
  const complete = async (...words: string[]): Promise<string[]> => {
    const script = await output('completion', 'bash');
    const call = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _davit; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { PATH: process.env.PATH };
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', `${script}\n${call}`], {
      encoding: 'utf8',
      env,
    });
    expect([status, stderr]).toEqual([0, '']);
    return stdout.split('\n').filter((word) => word !== '');
  };

  it('knows commands, subcommands and flags', async () => {
    expect(await complete('davit', 'inst')).toEqual(['instance']);
    expect(await complete('davit', 'instance', 'st')).toEqual(['start', 'stats', 'stop']);
    expect(await complete('davit', 'instance', 'start', '--writ')).toEqual(['--writable', '--writable-tmpfs']);
    expect(await complete('davit', 'instance', 'list', '--')).toEqual([
      '--all',
      '--json',
      '--logs',
      '--user',
      '--verbose',
      '--help',
    ]);
    expect(await complete('davit', '--ver')).toEqual(['--verbose', '--version']);
    expect(await complete('davit', '-d', 'exec', '--cw')).toEqual(['--cwd']);
  });

  it('leaves hidden flags out', async () => {
    expect(await complete('davit', 'exec', '--pw')).toEqual([]);
  });
});

describe('completion fish and zsh', () => {
  it('name every command that works', async () => {
    expect(await output('completion', 'fish')).toMatch(/^complete -c davit -n '__fish_use_subcommand' -a exec -d '/m);
    expect(await output('completion', 'zsh')).toContain('bashcompinit');
  });
});

describe('help --man', () => {
  it('is a manual page with every visible option', async () => {
    const page = await output('help', '--man');
    expect(page).toMatch(/^\.TH DAVIT 1 /);
    expect(page).toContain('.B \\-B, \\-\\-bind stringArray\n');
    expect(page).toContain('.SS davit instance start\n');
    expect(page).not.toContain('docker\\-password');
    // A line that begins with a dot or a quote is a request; those there are, are ours.
    const requests = page.split('\n').filter((line) => /^[.']/.test(line) && !/^\.(TH|SH|SS|B|TP|br)\b/.test(line));
    expect(requests).toEqual([]);
  });
});
