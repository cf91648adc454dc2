import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { operatorLog } from '../../src/log';

const directory = mkdtempSync(join(tmpdir(), 'davit-log-'));
afterAll(() => rmSync(directory, { recursive: true }));

const entry = { command: 'instance start', args: ['a.sif', 'web'], uid: 7 };

function lines(file: string): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('operatorLog', () => {
  it('writes one line for each command, and appends', () => {
    const file = join(directory, 'log');
    operatorLog(file).ran(entry);
    const log = operatorLog(file);
    log.ran({ ...entry, command: 'instance stop' }, 0);
    log.failed(entry, { code: 'BIND', message: 'no such bind', path: '/x' });
    expect(lines(file)).toMatchObject([
      { command: 'instance start', args: ['a.sif', 'web'], uid: 7, msg: 'launching', pid: process.pid },
      { command: 'instance stop', exitCode: 0, msg: 'done' },
      { code: 'BIND', path: '/x', msg: 'no such bind', level: 50 },
    ]);
  });

  it('has no passwords of URLs', () => {
    const file = join(directory, 'private');
    const log = operatorLog(file);
    const pull = { ...entry, command: 'pull', args: ['https://me:pa55@host.test/a@b.sif', 'docker://u@h/x@sha256:1'] };
    log.ran(pull, 0);
    log.failed(pull, {
      code: 'NETWORK',
      message: 'Get "http://me:pa55@host.test/a": no',
      path: 'http://pa55@host.test/',
    });
    expect(readFileSync(file, 'utf8')).not.toContain('pa55');
    expect(lines(file)).toMatchObject([
      { args: ['https://host.test/a@b.sif', 'docker://u@h/x@sha256:1'] },
      { path: 'http://host.test/', msg: 'Get "http://host.test/a": no' },
    ]);
  });

  it('is silent without a file, and when the file cannot be written', () => {
    operatorLog(undefined).ran(entry, 0);
    operatorLog('').failed(entry, { code: 'STATE', message: 'x' });
    operatorLog(join(directory, 'no/such/directory/log')).ran(entry, 0);
  });
});
