import { describe, expect, test } from 'vitest';
import { formatBytes, Progress, type ProgressOptions } from '../../../src/cli/progress';
import { Terminal } from '../../../src/cli/render';

function shown(
  options: ProgressOptions,
  act: (progress: Progress, tick: (ms: number) => void) => void,
): [string, string] {
  let [out, err, now] = ['', '', 0];
  const terminal = new Terminal((fd, text) => {
    if (fd === 1) out += text;
    else err += text;
  });
  const progress = new Progress(terminal, { ...options, now: () => now });
  act(progress, (ms) => {
    now += ms;
  });
  return [out, err];
}

const MIB = 1 << 20;
const work = { id: 'a', label: 'layer 3f4a', totalBytes: 4 * MIB };

test('one line for each piece of work without a terminal', () => {
  const [out, err] = shown({}, ({ onProgress }, tick) => {
    onProgress({ ...work, doneBytes: 0, state: 'start' });
    tick(1500);
    onProgress({ ...work, doneBytes: MIB, state: 'progress' });
    onProgress({ ...work, doneBytes: 4 * MIB, state: 'end' });
  });
  expect([out, err]).toEqual(['', 'INFO:    Done: layer 3f4a, 4.0 MiB in 1.5 s\n']);
});

test('JSON for programs, on standard output', () => {
  const [out, err] = shown({ json: true, columns: 80 }, ({ onProgress }) => {
    onProgress({ ...work, doneBytes: 0, state: 'start' });
    onProgress({ id: 'b', label: 'b', doneBytes: 7, state: 'end' });
  });
  expect(err).toBe('');
  expect(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { event: 'progress', state: 'start', id: 'a', label: 'layer 3f4a', doneBytes: 0, totalBytes: 4 * MIB },
    { event: 'progress', state: 'end', id: 'b', label: 'b', doneBytes: 7 },
  ]);
});

describe('on a terminal', () => {
  const lastLines = (err: string): string[] =>
    err
      .split('\x1b[2K')
      .slice(1)
      .map((text) => text.slice(0, text.indexOf('\n')));

  test('bars that fit, drawn over each other', () => {
    const [, err] = shown({ columns: 80 }, ({ onProgress }, tick) => {
      onProgress({ ...work, doneBytes: 0, state: 'start' });
      tick(1000);
      onProgress({ ...work, doneBytes: MIB, state: 'progress' });
    });
    const lines = lastLines(err);
    expect(lines[1]).toBe('layer 3f4a         [====>           ]     1.0 MiB / 4.0 MiB    1.0 MiB/s    3 s');
    expect(lines[1]?.length).toBeLessThan(80);
    expect(err).toContain('\x1b[1A\r\x1b[2K');
  });

  test('no bar where there is no room, and nothing beyond the edge', () => {
    const [, err] = shown({ columns: 40 }, ({ onProgress }) => onProgress({ ...work, doneBytes: MIB, state: 'start' }));
    expect(lastLines(err)[0]).not.toContain('[=');
    expect(lastLines(err)[0]?.length).toBeLessThan(40);
  });

  test('not drawn more often than eyes can see', () => {
    const [, err] = shown({ columns: 80 }, ({ onProgress }, tick) => {
      for (let at = 0; at < 100; at++) {
        onProgress({ ...work, doneBytes: at, state: at === 0 ? 'start' : 'progress' });
        tick(10);
      }
    });
    expect(lastLines(err).length).toBeLessThanOrEqual(11);
  });

  test('messages appear above the bars', () => {
    const [, err] = shown({ columns: 80 }, (progress) => {
      progress.onProgress({ ...work, doneBytes: 0, state: 'start' });
      progress.around(() => undefined);
    });
    expect(err).toMatch(/\x1b\[1A\x1b\[J\r\x1b\[2Klayer/);
  });

  test('finished bars give way when there are too many', () => {
    const [, err] = shown({ columns: 80 }, ({ onProgress }, tick) => {
      for (let at = 0; at < 30; at++) {
        const event = { id: `${at}`, label: `layer ${at}`, doneBytes: 1, totalBytes: 1 };
        onProgress({ ...event, state: 'start' });
        if (at < 25) onProgress({ ...event, id: `${at}`, state: 'end' });
        tick(200);
      }
      onProgress({ id: '29', label: 'layer 29', doneBytes: 1, totalBytes: 1, state: 'progress' });
    });
    const last = err.slice(err.lastIndexOf('A\r'));
    expect(last.match(/layer/g)?.length).toBeLessThanOrEqual(12);
    expect(last).toContain('layer 29');
  });
});

test('bytes in words', () => {
  expect([0, 1023, 1024, 1536, 5 * 2 ** 30].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '5.0 GiB',
  ]);
});
