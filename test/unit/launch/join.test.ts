import { describe, expect, it } from 'vitest';
import { compileJoin, type JoinRequest, type JoinTarget } from '../../../src/runtime/launch/join';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { MODE } from '../../../src/runtime/launch/plan';
import { options, userCaller, warnings } from './support';

const WEB1: JoinTarget = {
  name: 'web1',
  image: '/images/lab.sif',
  imageName: 'lab.sif',
  bindList: '/data',
  home: '/home/hpc',
  noNewPrivs: true,
  dropAllCapabilities: true,
};

function joined(asked: Partial<LaunchOptions> = {}, more: Partial<JoinRequest> = {}) {
  const caller = userCaller({ cwd: '/srv', physicalCwd: '/srv', umask: 0o027 });
  const output = { messageLevel: 1, color: false };
  return compileJoin({
    action: 'exec',
    instance: WEB1,
    options: options(asked),
    caller,
    args: [],
    command: ['id', '-u'],
    stateDir: '/state',
    output,
    ...more,
  });
}

describe('joining an instance', () => {
  it('names the instance and leaves its namespaces to the record', () => {
    const { plan } = joined();
    expect(plan).toMatchObject({
      mode: MODE.join,
      join: { stateDir: '/state', name: 'web1' },
      output: { image: 'instance://web1' },
    });
    expect(plan.namespaces).toBeUndefined();
    expect(plan.program).toMatchObject({ arguments: ['id', '-u'], umask: 0o027, shell: '/bin/sh' });
  });

  it("takes the caller's directory, else HOME of the instance, else the root", () => {
    expect(joined().plan.program?.workingDirectory).toEqual({
      path: '/srv',
      fatal: false,
      fallbacks: ['/home/hpc', '/'],
    });
    expect(joined({ cwd: '/etc' }).plan.program?.workingDirectory).toEqual({
      path: '/etc',
      fatal: true,
      fallbacks: [],
    });
  });

  it('has HOME, image and binds of the instance, and the variables of this call', () => {
    const set = joined({ env: { FOO: 'bar' } }).plan.program?.environment?.set;
    expect(set).toEqual(
      expect.arrayContaining([
        { name: 'HOME', value: '/home/hpc' },
        { name: 'APPTAINER_CONTAINER', value: '/images/lab.sif' },
        { name: 'SINGULARITY_NAME', value: 'lab.sif' },
        { name: 'APPTAINER_BIND', value: '/data' },
        { name: 'APPTAINER_COMMAND', value: 'exec' },
        { name: 'APPTAINER_INSTANCE', fromInstanceName: true },
        { name: 'DAVIT_ENV_FOO', value: 'bar' },
      ]),
    );
  });

  it('never gives more privileges than the instance has', () => {
    expect(joined().plan.steps).toEqual([{ privileges: { noNewPrivs: true, dropAll: true } }]);
    const root = { ...WEB1, noNewPrivs: false, dropAllCapabilities: false };
    expect(joined({}, { instance: root }).plan.steps).toEqual([]);
    expect(joined({}, { instance: { ...root, keepCapabilities: 3 } }).plan.steps).toEqual([
      { privileges: { noNewPrivs: false, keepMask: 3 } },
    ]);
    expect(joined({ dropCaps: 'chown' }, { instance: { ...root, keepCapabilities: 3 } }).plan.steps).toEqual([
      { privileges: { noNewPrivs: false, keepMask: 2 } },
    ]);
    expect(
      joined({ dropCaps: 'chown,dac_override' }, { instance: { ...root, keepCapabilities: 3 } }).plan.steps,
    ).toEqual([{ privileges: { noNewPrivs: false, dropAll: true } }]);
    expect(joined({ noPrivs: true }, { instance: root }).plan.steps).toEqual([
      { privileges: { noNewPrivs: true, dropAll: true } },
    ]);
  });

  it('warns of options that come too late', () => {
    expect(warnings(joined())).toEqual([]);
    expect(warnings(joined({ bind: ['/a'], writableTmpfs: true }))).toEqual([
      'warning: --bind, --writable-tmpfs have no effect: instance web1 is running already',
    ]);
    expect(warnings(joined({ fakeroot: true }))).toEqual(['info: --fakeroot is ignored when joining an instance']);
  });

  it('run, shell and test are those of the image', () => {
    expect(joined({}, { action: 'run', command: undefined, args: ['a'] }).plan.program).toMatchObject({
      arguments: ['a'],
    });
    expect(joined({}, { action: 'shell' }).plan.program?.script).toContain('/bin/bash --norc');
    expect(joined({ app: 'foo' }, { action: 'test' }).plan.program?.script).toContain(
      '/scif/apps/$APPTAINER_APPNAME/scif/test',
    );
  });
});
