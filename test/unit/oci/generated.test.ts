import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeConfig } from '../../../src/formats/oci/config';
import { ociEnvironment } from '../../../src/runtime/image/oci/environment';
import { ociParts } from '../../../src/runtime/image/oci/generated';
import { type OciCommand, ociRunscript } from '../../../src/runtime/image/oci/runscript';
import { SHELLS, type ShellCase } from '../launch/shells';
import { scratch } from './support';

/** Prints its arguments, each in angle brackets. */
const SHOW = '#!/bin/sh\nfor word in "$@"; do printf "<%s>" "$word"; done\n';

function run(shell: ShellCase, text: string, args: string[] = [], env: Record<string, string> = {}) {
  const directory = scratch();
  mkdirSync(join(directory, 'bin'));
  writeFileSync(join(directory, 'bin/show'), SHOW, { mode: 0o755 });
  writeFileSync(join(directory, 'script'), text);
  const argv = [...shell.argv.slice(1), join(directory, 'script'), ...args];
  const path = `${join(directory, 'bin')}:/usr/bin:/bin`;
  return spawnSync(shell.argv[0] as string, argv, { env: { PATH: path, FOO: 'f o', ...env }, encoding: 'utf8' });
}

describe.each(SHELLS)('the runscript, by $name', (shell) => {
  const both: OciCommand = { entrypoint: ['show', 'e 1'], cmd: ['c 1', '$FOO'] };
  const noEval = { SINGULARITY_NO_EVAL: '1' };
  const shown = (command: OciCommand, args: string[] = [], env = {}): string => {
    const { stdout, stderr, status } = run(shell, ociRunscript(command), args, env);
    expect([stderr, status]).toEqual(['', 0]);
    return stdout;
  };

  test.each([noEval, {}])('entrypoint first, arguments in the place of cmd (%j)', (env) => {
    expect(shown(both, [], env)).toBe('<e 1><c 1><$FOO>');
    expect(shown(both, ['a  b'], env)).toBe('<e 1><a  b>');
    expect(shown({ entrypoint: ['show', 'x'], cmd: [] }, [], env)).toBe('<x>');
    expect(shown({ entrypoint: ['show', 'x'], cmd: [] }, ['y'], env)).toBe('<x><y>');
    expect(shown({ entrypoint: [], cmd: ['show', 'z'] }, [], env)).toBe('<z>');
    expect(shown({ entrypoint: [], cmd: ['show', 'z'] }, ['show', 'w'], env)).toBe('<w>');
    expect(shown({ entrypoint: [], cmd: [] }, ['show', '-e', '--'], env)).toBe('<-e><-->');
  });

  test('arguments are evaluated, unless that is unwanted', () => {
    const args = ['$FOO', '${FOO}x', 'a\\$b'];
    expect(shown(both, args)).toBe('<e 1><f o><f ox><a$b>');
    expect(shown(both, args, noEval)).toBe('<e 1><$FOO><${FOO}x><a\\$b>');
    expect(shown(both, ['$(echo  two)', '`echo three`'])).toBe('<e 1><two><three>');
  });

  test.each([
    "it's",
    '"double"',
    '$HOME',
    '`id`',
    '$(id)',
    'back\\slash',
    'line\nbreak',
    '*',
    '~',
    '',
    '#',
    '!',
    '-n',
    'ü€',
  ])('what the image says stays what it is: %j', (word) => {
    expect(shown({ entrypoint: ['show'], cmd: [word] })).toBe(`<${word}>`);
    expect(shown({ entrypoint: ['show', word], cmd: [] }, [], noEval)).toBe(`<${word}>`);
  });

  test('an image that names nothing says so', () => {
    const { status, stderr } = run(shell, ociRunscript({ entrypoint: [], cmd: [] }));
    expect([status, stderr]).toEqual([1, 'This image names no command to run: give one\n']);
  });

  test('the exit code is the command’s', () => {
    expect(run(shell, ociRunscript({ entrypoint: ['sh', '-c'], cmd: ['exit 7'] })).status).toBe(7);
  });
});

test('the runscript has the line that marks it for Apptainer', () => {
  expect(ociRunscript({ entrypoint: [], cmd: ['x'] })).toContain('\neval "set ${SINGULARITY_OCI_RUN}"\n');
});

describe.each(SHELLS)('the environment, by $name', (shell) => {
  const value = (env: string[], name: string, before: Record<string, string> = {}): string => {
    const text = `${ociEnvironment(env)}\nexec env\n`;
    const { stdout, stderr, status } = run(shell, text, [], before);
    expect([stderr, status]).toEqual(['', 0]);
    return new RegExp(`^${name}=([^]*?)\n(?=[A-Za-z_]+=|$)`, 'm').exec(`${stdout}`)?.[1] ?? 'unset';
  };

  test.each(['plain', '1 2', 'x"y$z`w', "it's", 'a\\b', 'two\nlines', '}', '${A:-b}', 'ü€', '=', ''])('%j', (text) => {
    expect(value([`A=${text}`], 'A')).toBe(text);
  });

  test('PATH is set in any case, others unless they have a value', () => {
    expect(value(['PATH=/usr/bin:/opt'], 'PATH')).toBe('/usr/bin:/opt');
    expect(value(['FOO=image'], 'FOO')).toBe('f o');
    expect(value(['FOO=image'], 'FOO', { FOO: '' })).toBe('image');
  });

  test('the last of several counts, a name without a value keeps its own', () => {
    expect(value(['A=1', 'A=2'], 'A')).toBe('2');
    expect(value(['FOO'], 'FOO')).toBe('f o');
  });

  test('what shells cannot take is left out', () => {
    const script = ociEnvironment(['1A=x', 'a-b=x', 'a b=x', '=x', '', 'UID=7', 'IFS=x', 'PWD=/', 'OK=yes', 'N=a\0b']);
    expect(script.match(/^export .*/gm)).toEqual(['export OK']);
    expect(value(['UID=7', 'EUID=7', 'PPID=7', 'SHELLOPTS=x', 'OK=yes'], 'OK')).toBe('yes');
  });
});

test('what a configuration becomes', () => {
  const raw = { Env: ['A=1'], Cmd: ['sh'], Labels: { l: 'v' }, User: 'nobody', ExposedPorts: { '80/tcp': {} } };
  const config = decodeConfig(Buffer.from(JSON.stringify({ config: raw })));
  const parts = ociParts(config, { name: 'reg.test/a:1', digest: 'sha256:x' });
  expect(parts.entries.map(({ path, mode, replace }) => [path, mode, replace])).toEqual([
    ['.singularity.d/env/10-docker2singularity.sh', 0o755, true],
    ['.singularity.d/runscript', 0o755, true],
  ]);
  expect(parts.labels).toEqual({
    l: 'v',
    'org.opencontainers.image.base.name': 'reg.test/a:1',
    'org.opencontainers.image.base.digest': 'sha256:x',
  });
  expect(JSON.parse(parts.configJson)).toEqual(raw);
});
