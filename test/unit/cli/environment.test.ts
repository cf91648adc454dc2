import { describe, expect, it } from 'vitest';
import { applyEnvironment, lookUp } from '../../../src/cli/command-line/environment';
import { flagsOf } from '../../../src/cli/flags';
import { type Options, parseFlags } from '../../../src/cli/command-line/parse';
import { Terminal } from '../../../src/cli/terminal/render';
import { RuntimeError } from '../../../src/errors';

function merge(argv: string[], env: Record<string, string>, command = 'exec'): { options: Options; text: string } {
  let text = '';
  const terminal = new Terminal((_, bytes) => {
    text += bytes;
  });
  const flags = () => flagsOf(command);
  const { options } = parseFlags(argv, flags);
  applyEnvironment(options, flags, env, terminal);
  return { options, text };
}

describe('options from the environment', () => {
  it('prefers DAVIT_ to APPTAINER_ to SINGULARITY_', () => {
    const env = { SINGULARITY_HOSTNAME: 's', APPTAINER_HOSTNAME: 'a', DAVIT_HOSTNAME: 'd' };
    expect(merge([], env).options.text('hostname')).toBe('d');
    expect(merge([], { ...env, DAVIT_HOSTNAME: '' }).options.text('hostname')).toBe('a');
    expect(merge([], { ...env, DAVIT_HOSTNAME: ' ', APPTAINER_HOSTNAME: '' }).options.text('hostname')).toBe('s');
  });

  it('says when an old name is used alone, and when two contradict', () => {
    expect(merge([], { SINGULARITY_PID: '1' }).text).toBe(
      'INFO:    Environment variable SINGULARITY_PID is set, but APPTAINER_PID is preferred\n',
    );
    expect(merge([], { SINGULARITY_PID: '1', APPTAINER_PID: '0' }).text).toBe(
      'WARNING: SINGULARITY_PID and APPTAINER_PID have different values, using the latter\n',
    );
    expect(merge([], { SINGULARITY_PID: '1', APPTAINER_PID: '1' }).text).toBe('');
    expect(merge([], { APPTAINER_PID: '1' }).text).toBe('');
    expect(merge([], { APPTAINER_PID: '1', DAVIT_PID: '0' }).text).toContain('APPTAINER_PID and DAVIT_PID');
  });

  it('lets a flag win', () => {
    const { options } = merge(['--hostname', 'flag'], { APPTAINER_HOSTNAME: 'env' });
    expect(options.text('hostname')).toBe('flag');
    expect(options.source('hostname')).toBe('flag');
    expect(merge(['--pid=false'], { APPTAINER_PID: '1' }).options.flag('pid')).toBe(false);
  });

  it('adds bind and mount behind the flags', () => {
    const env = { APPTAINER_BIND: '/b,/c', SINGULARITY_BINDPATH: '/d', APPTAINER_MOUNT: 'type=bind\n\ntype=bind,ro\n' };
    const { options } = merge(['-B', '/a', '--mount', 'x'], env);
    expect(options.list('bind')).toEqual(['/a', '/b,/c', '/d']);
    expect(options.list('mount')).toEqual(['x', 'type=bind', 'type=bind,ro']);
    expect(options.source('bind')).toBe('flag');
  });

  it('takes the first of several names of one option', () => {
    expect(merge([], { APPTAINER_APP: 'a', APPTAINER_APPNAME: 'b' }).options.text('app')).toBe('a');
    expect(merge([], { APPTAINER_APPNAME: 'b' }).options.text('app')).toBe('b');
    expect(merge([], { APPTAINER_UNSHARE_NET: '1' }).options.flag('net')).toBe(true);
    expect(merge([], { APPTAINER_TARGET_PWD: '/x' }).options.text('cwd')).toBe('/x');
  });

  it('splits lists', () => {
    expect(merge([], { APPTAINER_OVERLAYIMAGE: 'a,b' }).options.list('overlay')).toEqual(['a', 'b']);
  });

  it('ignores names that no option of this command has', () => {
    expect([...merge([], { APPTAINER_PID_FILE: 'x', APPTAINER_ENV: 'A=1', DAVIT_FRONT: 'x' }).options.keys()]).toEqual(
      [],
    );
  });

  it('refuses a value that does not fit', () => {
    const attempt = (): unknown => merge([], { APPTAINER_PID: 'maybe' });
    expect(attempt).toThrow(RuntimeError);
    expect(attempt).toThrow('APPTAINER_PID="maybe"');
  });

  it('reads every option that has a name', () => {
    for (const command of [
      'exec',
      'run',
      'shell',
      'test',
      'instance start',
      'instance run',
      'instance list',
      'instance stop',
    ]) {
      for (const flag of flagsOf(command)) {
        for (const name of flag.env) {
          const value = { bool: 'true', int: '7', seconds: '7', choice: 'json' }[flag.type as string] ?? 'value';
          const { options } = merge([], { [`DAVIT_${name}`]: value }, command);
          expect(options.source(flag.key), `${command} --${flag.name} by ${name}`).toBe('environment');
        }
      }
    }
  });
});

describe('lookUp', () => {
  it('finds nothing in blank variables', () => {
    expect(lookUp('X', { DAVIT_X: ' ', APPTAINER_X: '' }, new Terminal(() => {}))).toBeUndefined();
  });
});
