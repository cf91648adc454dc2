import { describe, expect, it } from 'vitest';
import { planJson, planText } from '../../../src/cli/plan-text';

const plan = {
  format: 1,
  mode: 2,
  namespaces: { user: true, mount: true, pid: false, idMap: { uid: [{ inside: 0, outside: 2000, count: 1 }] } },
  steps: [
    { propagation: {} },
    { mountDirectory: { path: '/srv/my image' } },
    { bind: { source: '/srv', target: '/mnt', readOnly: true, optional: false } },
    { file: { target: '/etc/hosts', bytes: Buffer.from('127.0.0.1 localhost\n') } },
  ],
  program: { script: 'a=1\nexec "$@"\n', arguments: ['ls', '-l'], shell: '/bin/sh' },
  instance: { name: 'web', record: new Uint8Array([8, 1, 255]) },
};

describe('planText', () => {
  it('has one line a step, with the numbers that errors use', () => {
    expect(planText(plan)).toBe(
      [
        'mode        instance',
        'namespaces  user mount idMap={uid=[{outside=2000 count=1}]}',
        'format      1',
        'instance    name=web record=(3 bytes)',
        'steps',
        '   1  propagation',
        '   2  mountDirectory path="/srv/my image"',
        '   3  bind source=/srv target=/mnt readOnly',
        '   4  file target=/etc/hosts bytes=(20 bytes)',
        'program     arguments=[ls -l] shell=/bin/sh',
        'script',
        '      a=1',
        '      exec "$@"',
        '',
      ].join('\n'),
    );
  });
});

describe('planJson', () => {
  it('has text as text, other bytes as base64, and the name of the mode', () => {
    const json = planJson(plan) as typeof plan & { mode: string };
    expect(json.mode).toBe('INSTANCE');
    expect(json.steps[3]).toEqual({ file: { target: '/etc/hosts', bytes: '127.0.0.1 localhost\n' } });
    expect(json.instance.record).toBe('CAH/');
    expect(json.steps[2]).toEqual({ bind: { source: '/srv', target: '/mnt', readOnly: true, optional: false } });
  });
});
