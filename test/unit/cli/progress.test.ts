import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Progress, type ProgressOptions } from '../../../src/cli/terminal/progress';
import { Terminal } from '../../../src/cli/terminal/render';
import type { ProgressEvent } from '../../../src/runtime/image/source/progress';
import { Emulator } from '../../fixtures/emulator';

const MIB = 1 << 20;
const work = { id: 'a', label: 'layer 3f4a', totalBytes: 4 * MIB };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
});
afterEach(() => {
  for (const progress of made.splice(0)) progress.finish();
  vi.useRealTimers();
});

const made: Progress[] = [];

function shown(options: ProgressOptions, act: (progress: Progress) => void): [string, string] {
  let [out, err] = ['', ''];
  const terminal = new Terminal((fd, text) => {
    if (fd === 1) out += text;
    else err += text;
  });
  act(new Progress(terminal, options));
  return [out, err];
}

describe('without a terminal', () => {
  test('one line for each piece of work', () => {
    const [out, err] = shown({}, ({ onProgress }) => {
      onProgress({ ...work, doneBytes: 0, state: 'start' });
      vi.advanceTimersByTime(1500);
      onProgress({ ...work, doneBytes: MIB, state: 'progress' });
      onProgress({ ...work, doneBytes: 4 * MIB, state: 'end' });
    });
    expect([out, err]).toEqual(['', 'INFO:    Done: layer 3f4a, 4.0 MiB in 1.5 s\n']);
  });

  test('JSON for programs, on standard output, at most ten lines a second', () => {
    const screen = new Screen(80, 24);
    const [out, err] = shown({ json: true, screen }, ({ onProgress }) => {
      onProgress({ ...work, doneBytes: 0, state: 'start' });
      for (let at = 0; at < 100; at++) {
        onProgress({ ...work, doneBytes: at, state: 'progress' });
        vi.advanceTimersByTime(10);
      }
      onProgress({ id: 'b', label: 'b', doneBytes: 7, state: 'end' });
    });
    expect(err).toBe('');
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.length).toBeLessThanOrEqual(12);
    expect(lines[0]).toEqual({ event: 'progress', state: 'start', ...work, doneBytes: 0 });
    expect(lines.at(-1)).toEqual({ event: 'progress', state: 'end', id: 'b', label: 'b', doneBytes: 7 });
  });

  test('nothing that servers name steers the terminal', () => {
    const [, err] = shown({}, ({ onProgress }) => {
      onProgress({ id: 'x', label: 'a\x1b[2Jb\u202ec\r\nd', doneBytes: 1, state: 'end' });
    });
    expect(err).toMatch(/^INFO: {4}Done: ab\?c\?\?d, 1 B in 0\.0 s\n$/);
  });
});

/** What standard error is on a terminal. */
class Screen extends EventEmitter {
  constructor(
    public columns: number,
    public rows: number,
  ) {
    super();
  }
}

/** Progress on an emulated terminal. */
class Session {
  readonly screen: Screen;
  readonly emulator: Emulator;
  readonly progress: Progress;

  constructor(columns: number, rows = 24) {
    this.screen = new Screen(columns, rows);
    this.emulator = new Emulator(columns, rows);
    const terminal = new Terminal((_fd, text) => this.emulator.write(String(text).replaceAll('\n', '\r\n')));
    this.progress = new Progress(terminal, { screen: this.screen });
    made.push(this.progress);
  }

  event(event: Partial<ProgressEvent>, ms = 0): void {
    this.progress.onProgress({ ...work, doneBytes: 0, state: 'progress', ...event });
    vi.advanceTimersByTime(ms);
  }

  async resize(columns: number, rows = this.screen.rows): Promise<void> {
    await this.emulator.resize(columns, rows);
    Object.assign(this.screen, { columns, rows });
    this.screen.emit('resize');
    vi.advanceTimersByTime(300);
  }

  /** Two downloads, the second one of unknown size. */
  twoBars(): void {
    this.event({ state: 'start' });
    this.event({ id: 'b', label: 'tool.sif', totalBytes: undefined, state: 'start' }, 1000);
    this.event({ id: 'b', label: 'tool.sif', totalBytes: undefined, doneBytes: 3 * MIB });
    this.event({ doneBytes: MIB }, 1000);
  }
}

describe('on a terminal', () => {
  test('a bar for each, with bytes, rate and the time that is left', async () => {
    const session = new Session(100);
    session.twoBars();
    expect(await session.emulator.lines()).toEqual([
      'layer 3f4a            [=======>                      ]      1.0 MiB / 4.0 MiB 512.0 KiB/s       6 s',
      'tool.sif                            3.0 MiB   1.5 MiB/s',
    ]);
    session.event({ id: 'b', label: 'tool.sif', totalBytes: undefined, doneBytes: 4 * MIB, state: 'end' });
    session.event({ doneBytes: 4 * MIB, state: 'end' });
    expect(await session.emulator.lines()).toEqual([
      'layer 3f4a            [==============================]      4.0 MiB / 4.0 MiB   2.0 MiB/s',
      'tool.sif                            4.0 MiB   2.0 MiB/s',
    ]);
    expect(session.screen.listenerCount('resize')).toBe(0);
  });

  test('the rate is that of the last seconds, and not of what was there before', async () => {
    const session = new Session(100);
    session.event({ doneBytes: 3 * MIB, state: 'start' }, 1000);
    session.event({ doneBytes: 3 * MIB + 1024 }, 1000);
    expect((await session.emulator.lines())[0]).toMatch(/ 512 B\/s +34 m 06 s$/);
    vi.advanceTimersByTime(20_000);
    expect((await session.emulator.lines())[0]).toMatch(/ 47 B\/s +6 h 15 m$/);
  });

  test.each([60, 40, 30, 20, 10, 4, 1])('%i columns: one row for each, none broken', async (columns) => {
    const session = new Session(columns);
    session.twoBars();
    const lines = await session.emulator.lines();
    expect(lines.length).toBeLessThanOrEqual(2);
    for (const line of lines) expect(line.length).toBeLessThan(columns);
    if (columns >= 20) expect(lines[0]).toMatch(/^layer.*(25 %|1\.0 MiB \/ 4\.0 MiB)/);
  });

  test('messages appear above the bars', async () => {
    const session = new Session(80);
    session.twoBars();
    session.progress.around(() => session.emulator.write('INFO:    something\r\n'));
    expect((await session.emulator.lines()).map((line) => line.slice(0, 8))).toEqual([
      'INFO:   ',
      'layer 3f',
      'tool.sif',
    ]);
  });

  test('narrower, wider, narrower: what stood above stays, no row twice', async () => {
    const session = new Session(100);
    session.emulator.write('$ davit pull\r\n');
    session.twoBars();
    for (const columns of [60, 35, 120, 50, 80]) {
      await session.resize(columns);
      const lines = await session.emulator.lines();
      expect(lines.map((line) => line.slice(0, 5))).toEqual(['$ dav', 'layer', 'tool.']);
    }
  });

  test('more bars than rows: those that go on are seen, and nothing scrolls away twice', async () => {
    const session = new Session(80, 8);
    session.emulator.write('$ davit pull\r\n');
    for (let at = 0; at < 20; at++) {
      const layer = { id: `${at}`, label: `layer ${at}`, totalBytes: 1, doneBytes: 1 };
      session.event({ ...layer, state: 'start' }, 200);
      if (at < 18) session.event({ ...layer, id: `${at}`, state: at === 0 ? 'progress' : 'end' }, 200);
    }
    const lines = await session.emulator.lines();
    expect(lines).toHaveLength(7);
    expect(lines[0]).toBe('$ davit pull');
    expect(lines.slice(1).map((line) => line.slice(0, 8))).toEqual([
      'layer 0 ',
      ...lines.slice(2).map((line) => line.slice(0, 8)),
    ]);
    expect(lines.at(-1)).toContain('layer 19');
  });

  test('after a stop the bars begin anew below what the shell has written', async () => {
    const session = new Session(80);
    session.twoBars();
    session.emulator.write('[1]+ Stopped\r\n$ fg\r\n');
    process.emit('SIGCONT', 'SIGCONT');
    vi.advanceTimersByTime(500);
    const lines = await session.emulator.lines();
    expect(lines.map((line) => line.slice(0, 5))).toEqual(['layer', 'tool.', '[1]+ ', '$ fg', 'layer', 'tool.']);
    session.progress.finish();
  });
});
