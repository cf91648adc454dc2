import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { decodeRecord, encodeRecord } from '../../../src/runtime/instance/record';
import { sampleRecord } from './fixtures';

const bytes = encodeRecord(sampleRecord('web1'));
const problem = (data: Uint8Array, name = 'web1'): string => {
  try {
    decodeRecord(data, name);
  } catch (error) {
    expect(error).toBeInstanceOf(RuntimeError);
    expect((error as RuntimeError).code).toBe('STATE');
    return (error as Error).message;
  }
  throw new Error('accepted');
};

describe('decodeRecord', () => {
  it('reads what was written', () => {
    expect(decodeRecord(bytes, 'web1')).toEqual(sampleRecord('web1'));
  });

  it('reads the parts of compiler and keeper, one behind the other', () => {
    const { pid, keeperPid, exited, exitStatus, ...head } = sampleRecord('web1');
    const tail = encodeRecord({ pid, keeperPid, exited: true, exitStatus: 143 });
    const record = decodeRecord(Buffer.concat([encodeRecord(head), tail]), 'web1');
    expect([exited, exitStatus]).toEqual([false, 0]);
    expect(record).toMatchObject({ pid, keeperPid, exited: true, exitStatus: 143 });
  });

  it('has a zero for every field that is absent', () => {
    const { command, app, ...rest } = sampleRecord('web1');
    const record = decodeRecord(encodeRecord(rest), 'web1');
    expect([record.command, record.app, record.serverPid]).toEqual([[], '', 4243]);
    expect([command.length, app]).toEqual([2, '']);
  });

  it('refuses a record that is empty, foreign, or of a newer version', () => {
    expect(problem(new Uint8Array())).toBe('record of instance web1: empty');
    expect(problem(bytes, 'web2')).toContain('belongs to "web1"');
    expect(problem(encodeRecord(sampleRecord('web1', { format: 2 })))).toContain('written by a newer davit (format 2)');
    expect(problem(encodeRecord(sampleRecord('web1', { format: 0 })))).toContain('unknown format 0');
  });

  it('refuses processes that cannot be', () => {
    for (const pid of [0, 1, 4_194_305]) {
      expect(problem(encodeRecord(sampleRecord('web1', { pid })))).toContain('no processes');
      expect(problem(encodeRecord(sampleRecord('web1', { keeperPid: pid })))).toContain('no processes');
    }
    expect(problem(encodeRecord(sampleRecord('web1', { pidStartTime: 0 })))).toContain('no start times');
  });

  it('refuses or fully understands every cut', () => {
    for (let length = 0; length < bytes.length; length++) {
      try {
        const record = decodeRecord(bytes.subarray(0, length), 'web1');
        // Cut behind the last field that anything depends on.
        expect(record.logErr).toBe('/logs/web1.err');
      } catch (error) {
        expect(error, String(length)).toBeInstanceOf(RuntimeError);
      }
    }
  });

  it('refuses noise', () => {
    for (const fill of [0, 0x0a, 0x7f, 0xff]) problem(new Uint8Array(200).fill(fill));
  });
});
