import { appendFileSync, mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { followLog, LogReader, logPath } from '../../../src/runtime/instance/logs';
import { makeStateDir, sampleRecord, uid } from './fixtures';

const read = (reader: LogReader): string => Buffer.concat([...reader.readNew()]).toString();

describe('LogReader', () => {
  it('has nothing of a missing file, and all of it once it is there', () => {
    const path = join(makeStateDir(), 'web.out');
    const reader = new LogReader(path);
    expect(reader.exists()).toBe(false);
    expect(read(reader)).toBe('');
    writeFileSync(path, 'one\n');
    expect(read(reader)).toBe('one\n');
    reader.close();
  });

  it('reads on where it was, more than a buffer at a time', () => {
    const path = join(makeStateDir(), 'web.out');
    const long = 'x'.repeat(200_000);
    writeFileSync(path, 'one\n');
    const reader = new LogReader(path);
    expect([read(reader), read(reader)]).toEqual(['one\n', '']);
    appendFileSync(path, long);
    expect(read(reader)).toBe(long);
    reader.close();
  });

  it('finishes a file that was rotated away, then reads the new one', () => {
    const path = join(makeStateDir(), 'web.out');
    writeFileSync(path, 'one\n');
    const reader = new LogReader(path);
    expect(read(reader)).toBe('one\n');
    appendFileSync(path, 'last\n');
    renameSync(path, `${path}.1`);
    writeFileSync(path, 'new\n');
    expect(read(reader)).toBe('last\nnew\n');
    reader.close();
  });

  it('begins again when the file was truncated', () => {
    const path = join(makeStateDir(), 'web.out');
    writeFileSync(path, 'a long first line\n');
    const reader = new LogReader(path);
    read(reader);
    truncateSync(path);
    appendFileSync(path, 'new\n');
    expect(read(reader)).toBe('new\n');
    reader.close();
  });

  it('refuses a directory, and files of other users for root', () => {
    const directory = makeStateDir();
    mkdirSync(join(directory, 'web.out'));
    expect(() => read(new LogReader(join(directory, 'web.out')))).toThrow('web.out');
    writeFileSync(join(directory, 'web.err'), 'x');
    expect(() => read(new LogReader(join(directory, 'web.err'), uid + 1))).toThrow('not a file of that user');
  });
});

describe('followLog', () => {
  it('prints what is there, then what is written, until the instance has ended', async () => {
    const path = join(makeStateDir(), 'web.out');
    writeFileSync(path, 'one\n');
    let asked = 0;
    const isAlive = (): boolean => {
      asked += 1;
      if (asked === 2) appendFileSync(path, 'two\n');
      if (asked === 3) appendFileSync(path, 'three\n');
      return asked < 3;
    };
    let text = '';
    for await (const chunk of followLog(new LogReader(path), { isAlive })) text += Buffer.from(chunk).toString();
    expect(text).toBe('one\ntwo\nthree\n');
    expect(asked).toBe(3);
  });

  it('ends when it is told to', async () => {
    const path = join(makeStateDir(), 'web.out');
    writeFileSync(path, 'one\n');
    const abort = new AbortController();
    let text = '';
    for await (const chunk of followLog(new LogReader(path), { isAlive: () => true, signal: abort.signal })) {
      text += Buffer.from(chunk).toString();
      abort.abort();
    }
    expect(text).toBe('one\n');
  });
});

describe('logPath', () => {
  it('believes the record, and knows the place without one', () => {
    const record = sampleRecord('web', { logOut: '/x/web.out', logErr: '/x/web.err' });
    expect(logPath('/state', 'web', 'err', record)).toBe('/x/web.err');
    expect(logPath('/state', 'web', 'out')).toBe('/state/logs/web.out');
  });
});
