import { describe, expect, it } from 'vitest';
import { formatMessage, formatTable, LEVEL, Terminal } from '../../../src/cli/terminal/render';

function record(): { terminal: Terminal; out: () => string; err: () => string } {
  const streams = ['', '', ''];
  const terminal = new Terminal((fd, text) => {
    streams[fd] += text;
  });
  return { terminal, out: () => streams[1] as string, err: () => streams[2] as string };
}

describe('messages', () => {
  it('have the level in eight columns and the text in the tenth', () => {
    expect(formatMessage('fatal', 'text', false)).toBe('FATAL:   text');
    expect(formatMessage('error', 'text', false)).toBe('ERROR:   text');
    expect(formatMessage('warning', 'text', false)).toBe('WARNING: text');
    expect(formatMessage('info', 'text', false)).toBe('INFO:    text');
    expect(formatMessage('verbose', 'text', false)).toBe('VERBOSE: text');
    expect(formatMessage('debug', 'text', false)).toBe('DEBUG:   text');
  });

  it('colour the level alone', () => {
    expect(formatMessage('warning', 'text', true)).toBe('\x1b[33mWARNING:\x1b[0m text');
    expect(formatMessage('info', 'text', true)).toBe('\x1b[34mINFO:   \x1b[0m text');
  });

  it('cannot give orders to the terminal, whatever names stand in them', () => {
    const { terminal, err } = record();
    terminal.color = true;
    terminal.warning('left out "a\x1b[2J\x07\r\x9b31m\x7f": é\tü\n  more');
    expect(err()).toBe('\x1b[33mWARNING:\x1b[0m left out "a\\x1b[2J\\x07\\x0d\\x9b31m\\x7f": é\tü\n  more\n');
  });

  it('are shown up to the level of the terminal', () => {
    const shown = (level: number): string => {
      const { terminal, err } = record();
      terminal.level = level;
      for (const severity of ['fatal', 'error', 'warning', 'info', 'verbose', 'debug'] as const) {
        terminal.message(severity, 'x');
      }
      return err()
        .replace(/:\s+x\n/g, ' ')
        .trim();
    };
    expect(shown(LEVEL.silent)).toBe('FATAL ERROR');
    expect(shown(LEVEL.quiet)).toBe('FATAL ERROR WARNING');
    expect(shown(LEVEL.info)).toBe('FATAL ERROR WARNING INFO');
    expect(shown(LEVEL.verbose)).toBe('FATAL ERROR WARNING INFO VERBOSE');
    expect(shown(LEVEL.debug)).toBe('FATAL ERROR WARNING INFO VERBOSE DEBUG');
  });

  it('carry the way out in a line of its own', () => {
    const { terminal, err } = record();
    terminal.fatal('mount x: EPERM', 'run as root');
    expect(err()).toBe('FATAL:   mount x: EPERM\n         hint: run as root\n');
  });
});

// Bytes as Apptainer 1.4.5 printed them.
describe('tables', () => {
  it('have columns as wide as their content and four blanks', () => {
    expect(
      formatTable([
        ['INSTANCE NAME', 'PID', 'IP', 'IMAGE'],
        ['db1', '16077', '', '/tmp/bh/debian.sif'],
        ['web1', '15309', '', '/tmp/bh/busybox.sif'],
      ]),
    ).toBe(
      'INSTANCE NAME    PID      IP    IMAGE\n' +
        'db1              16077          /tmp/bh/debian.sif\n' +
        'web1             15309          /tmp/bh/busybox.sif\n',
    );
  });

  it('keep their headings without rows', () => {
    expect(formatTable([['INSTANCE NAME', 'PID', 'IP', 'IMAGE']])).toBe('INSTANCE NAME    PID    IP    IMAGE\n');
    expect(formatTable([['INSTANCE NAME', 'PID', 'LOGS']])).toBe('INSTANCE NAME    PID    LOGS\n');
  });

  it('may have empty cells', () => {
    expect(
      formatTable([
        ['INSTANCE NAME', 'PID', 'LOGS'],
        ['db1', '16077', '/l/db1.err'],
        ['', '', '/l/db1.out'],
      ]),
    ).toBe(
      'INSTANCE NAME    PID      LOGS\n' +
        'db1              16077    /l/db1.err\n' +
        '                          /l/db1.out\n',
    );
  });

  it('measure characters, not bytes', () => {
    expect(
      formatTable([
        ['ä', 'x'],
        ['bb', 'y'],
      ]),
    ).toBe('ä     x\nbb    y\n');
  });
});

describe('JSON', () => {
  it('is indented by tabs', () => {
    const { terminal, out } = record();
    terminal.json({ instances: [] });
    terminal.json({ instances: [{ instance: 'a', pid: 1 }] });
    expect(out()).toBe(
      '{\n\t"instances": []\n}\n{\n\t"instances": [\n\t\t{\n\t\t\t"instance": "a",\n\t\t\t"pid": 1\n\t\t}\n\t]\n}\n',
    );
  });
});
