import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectInjected, quotable } from '../../../src/runtime/launch/injected';
import { Notes } from '../../../src/runtime/launch/notes';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { options, userCaller } from './support';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'davit-env-'));
  writeFileSync(`${dir}/one`, 'A=one\nB=one\nC=one\n');
  writeFileSync(`${dir}/two`, 'B=two\nC=two\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

function collect(asked: Partial<LaunchOptions>, env: Record<string, string> = {}) {
  const notes = new Notes();
  const { set, path, library } = collectInjected(options(asked), userCaller({ env, cwd: dir }), notes);
  const values = Object.fromEntries(set.map(({ name, value }) => [(name as string).replace('DAVIT_ENV_', ''), value]));
  return { values, path, library, notes: notes.list.map(({ level, text }) => `${level}: ${text}`) };
}

describe('injected variables', () => {
  it('are none by default', () => {
    expect(collect({})).toEqual({ values: {}, path: false, library: false, notes: [] });
  });

  it('--env beats later files, which beat earlier ones, which beat APPTAINERENV_', () => {
    const result = collect(
      { env: { C: 'flag' }, envFiles: ['one', `${dir}/two`] },
      { APPTAINERENV_A: 'v', APPTAINERENV_D: 'v' },
    );
    expect(result.values).toEqual({ A: 'one', B: 'two', C: 'flag', D: 'v', NAMES: 'A D B C' });
    expect(result.notes).toContain('warning: Ignored environment file variable C: override from --env');
  });

  it('DAVITENV_ beats APPTAINERENV_ beats SINGULARITYENV_, with a word about it', () => {
    const env = {
      SINGULARITYENV_OLD: '2',
      APPTAINERENV_X: '1',
      SINGULARITYENV_X: '2',
      DAVITENV_Y: '3',
      APPTAINERENV_Y: '3',
      APPTAINERENV_E: '',
    };
    const result = collect({}, env);
    expect(result.values).toEqual({ OLD: '2', X: '1', Y: '3', E: '', NAMES: 'Y X E OLD' });
    expect(result.notes).toEqual([
      'info: Environment variable SINGULARITYENV_OLD is set, but APPTAINERENV_OLD is preferred',
      'warning: SINGULARITYENV_X and APPTAINERENV_X have different values, using the latter',
    ]);
  });

  it('do not include what the runtime keeps to itself', () => {
    const result = collect({
      env: {
        HOME: '/x',
        APPTAINER_SHELL: 'z',
        UID: '5',
        IFS: 'x',
        'BAD-NAME': '1',
        '': 'X',
        DAVIT_HOST_A: '1',
        OK: '1',
      },
    });
    expect(result.values).toEqual({ OK: '1', NAMES: 'OK' });
    expect(result.notes).toEqual([
      'warning: Overriding HOME environment variable with APPTAINERENV_HOME is not permitted',
      'warning: Overriding APPTAINER_SHELL environment variable with APPTAINERENV_APPTAINER_SHELL is not permitted',
      'verbose: Not setting UID: it belongs to the shell',
      'verbose: Not setting IFS: it belongs to the shell',
      'warning: Ignoring environment variable BAD-NAME: not a valid name',
      'warning: Ignore environment variable =X: variable name missing',
      'warning: Ignoring environment variable DAVIT_HOST_A: DAVIT_ is reserved',
    ]);
  });

  it('change PATH and LD_LIBRARY_PATH by operations at the end', () => {
    expect(collect({ env: { APPEND_PATH: '/x' } })).toMatchObject({
      values: { DAVIT_APPEND_PATH: '/x' },
      path: true,
      library: false,
    });
    expect(collect({ env: { PREPEND_LD_LIBRARY_PATH: '/x' } })).toMatchObject({
      values: { DAVIT_PREPEND_LD: '/x' },
      path: false,
      library: true,
    });
    expect(collect({ env: { LD_LIBRARY_PATH: '/x' } })).toMatchObject({
      values: { LD_LIBRARY_PATH: '/x:/.singularity.d/libs' },
      library: false,
    });
  });

  it('a file that cannot be read is fatal', () => {
    expect(() => collect({ envFiles: ['none'] })).toThrow('could not read environment file "none": ENOENT');
  });
});

describe('quotable', () => {
  it.each([
    ['plain', 'plain'],
    ['a"b', 'a\\"b'],
    ['a\\"b', 'a\\"b'],
    ['a\\\\"b', 'a\\\\\\"b'],
    ['ends\\', 'ends\\\\'],
    ['$X `y`', '$X `y`'],
  ])('%j becomes %j', (text, expected) => {
    expect(quotable(text)).toBe(expected);
  });
});
