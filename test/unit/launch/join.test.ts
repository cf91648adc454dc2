import { describe, expect, it } from 'vitest';
import { davit } from '../../../src/schema/generated/plan-cache';
import { davit as launches } from '../../../src/schema/generated/launch';
import { plainJoins } from '../../../src/cli/launch/plain-joins';
import { compileJoin, type JoinRequest, RECORD } from '../../../src/runtime/launch/join';
import type { LaunchOptions } from '../../../src/runtime/launch/options';
import { MODE } from '../../../src/runtime/launch/plan';
import { options, userCaller, warnings } from './support';

function joined(asked: Partial<LaunchOptions> = {}, more: Partial<JoinRequest> = {}) {
  const caller = userCaller({ cwd: '/srv', physicalCwd: '/srv', umask: 0o027 });
  const output = { messageLevel: 1, color: false };
  return compileJoin({
    action: 'exec',
    name: 'web1',
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
    expect(plan.program).toMatchObject({ arguments: ['id', '-u'], shell: '/bin/sh' });
  });

  it("leaves the caller's directory and mask to the launcher", () => {
    const { program } = joined().plan;
    expect(program?.workingDirectory).toEqual({ ofCaller: true });
    expect(program?.setUmask).toBeUndefined();
    expect(joined({ cwd: '/etc' }).plan.program?.workingDirectory).toEqual({
      path: '/etc',
      fatal: true,
      fallbacks: [],
    });
    expect(joined({ noUmask: true }).plan.program).toMatchObject({ setUmask: true, umask: 0o022 });
  });

  it('has HOME, image and binds of the record, and the variables of this call', () => {
    const set = joined({ env: { FOO: 'bar' } }).plan.program?.environment?.set;
    expect(set).toEqual(
      expect.arrayContaining([
        { name: 'HOME', fromRecord: RECORD.home },
        { name: 'APPTAINER_CONTAINER', fromRecord: RECORD.image },
        { name: 'SINGULARITY_NAME', fromRecord: RECORD.imageName },
        { name: 'APPTAINER_BIND', fromRecord: RECORD.bindList },
        { name: 'APPTAINER_COMMAND', value: 'exec' },
        { name: 'APPTAINER_INSTANCE', fromInstanceName: true },
        { name: 'DAVIT_ENV_FOO', value: 'bar' },
      ]),
    );
  });

  it('takes privileges away beyond what the instance lacks, and gives none', () => {
    expect(joined().plan.steps).toEqual([]);
    expect(joined({ dropCaps: 'chown' }).plan.steps).toEqual([{ privileges: { keepMask: 2 ** 53 - 2 } }]);
    expect(joined({ dropCaps: 'all' }).plan.steps).toEqual([{ privileges: { dropAll: true } }]);
    expect(joined({ noPrivs: true }).plan.steps).toEqual([{ privileges: { noNewPrivs: true, dropAll: true } }]);
    expect(joined({ addCaps: 'all', keepPrivs: true }).plan.steps).toEqual([]);
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

  it('is the same for every caller and instance, as far as the launcher adds nothing', () => {
    const other = userCaller({ uid: 7, gid: 7, groups: [7], cwd: '/x', physicalCwd: '/x', umask: 0, hostname: 'h' });
    const join = (more: Partial<JoinRequest>) => {
      const { plan } = joined({}, more);
      return { ...plan, join: undefined, output: { ...plan.output, image: '' } };
    };
    expect(join({ caller: other, name: 'other' })).toEqual(join({}));
  });

  it('without options is what was compiled when davit was built', () => {
    const { joins = [] } = davit.PlainJoins.decode(plainJoins());
    expect(joins.map(({ action, color }) => `${action} ${color ?? false}`)).toEqual(
      ['exec', 'run', 'shell', 'test'].flatMap((action) => [`${action} false`, `${action} true`]),
    );
    for (const { action, color, plan } of joins) {
      const output = { messageLevel: 1, color: color ?? false };
      const now = joined({}, { action: action as 'exec', output, args: [], command: undefined });
      const { join: _, output: __, ...rest } = launches.LaunchPlan.decode(now.bytes());
      expect(launches.LaunchPlan.decode(plan as Uint8Array)).toMatchObject(rest);
    }
  });
});
