import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPeer, parseCompare, versionOf } from '../../../src/bench/peers';

describe('parseCompare', () => {
  it('takes names, all, and commands', () => {
    expect(parseCompare(['crun', ' bwrap'], {})).toEqual([{ name: 'crun' }, { name: 'bwrap' }]);
    expect(parseCompare(['all'], {}).map(({ name }) => name)).toEqual(['apptainer', 'crun', 'bwrap', 'podman']);
    expect(parseCompare(['apptainer=enter /root  apptainer'], {})).toEqual([
      { name: 'apptainer', words: ['enter', '/root', 'apptainer'] },
    ]);
    expect(parseCompare(['crun=/opt/a=b/crun'], {})).toEqual([{ name: 'crun', words: ['/opt/a=b/crun'] }]);
    expect(parseCompare([''], {})).toEqual([]);
  });

  it('takes the command of a peer from the environment, and the last of two', () => {
    const env = { DAVIT_BENCH_APPTAINER: 'enter apptainer' };
    expect(parseCompare(['apptainer'], env)).toEqual([{ name: 'apptainer', words: ['enter', 'apptainer'] }]);
    expect(parseCompare(['all', 'apptainer=other'], env)[0]).toEqual({ name: 'apptainer', words: ['other'] });
  });

  it('refuses what it does not know', () => {
    expect(() => parseCompare(['docker'], {})).toThrow('--compare "docker": no such runtime');
    expect(() => parseCompare(['all=x'], {})).toThrow('no such runtime');
    expect(() => parseCompare(['crun='], {})).toThrow('no command behind "="');
  });
});

describe('findPeer', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync('/tmp/davit-peers-');
    for (const name of ['crun', 'enter']) {
      const text = name === 'enter' ? '#!/bin/sh\nexec "$@"\n' : '#!/bin/sh\necho "crun version 9"\necho more\n';
      writeFileSync(join(directory, name), text);
      chmodSync(join(directory, name), 0o755);
    }
    writeFileSync(join(directory, 'bwrap'), 'no program');
    chmodSync(join(directory, 'bwrap'), 0o644);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('looks on PATH, and for what can be executed', () => {
    expect(findPeer({ name: 'crun' }, `/nowhere::${directory}`)).toEqual({
      prefix: [],
      program: join(directory, 'crun'),
    });
    expect(() => findPeer({ name: 'bwrap' }, directory)).toThrow('not on PATH');
    expect(() => findPeer({ name: 'crun', words: ['/nowhere/crun'] }, directory)).toThrow('no program "/nowhere/crun"');
  });

  it('asks there where the words before the program lead', () => {
    const words = [join(directory, 'enter'), join(directory, 'crun')];
    const found = findPeer({ name: 'crun', words }, '');
    expect(found).toEqual({ prefix: [words[0]], program: words[1] });
    expect(versionOf(found)).toBe('crun version 9');
    const wrong = [join(directory, 'enter'), '/nowhere/crun'];
    expect(() => findPeer({ name: 'crun', words: wrong }, '')).toThrow('cannot be called');
  });
});
