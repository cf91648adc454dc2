/** The user guide, from its first command to its last: instances by name and pattern, PID files; the services in between have files of their own. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually } from './support/patience';
import { minds } from './support/processes';
import { isAlive, withWorld, type World } from './support/world';

withWorld('container instances', (world) => {
  const names = async (...args: string[]): Promise<string[]> =>
    (await world().list(...args)).map((each) => each.instance);

  test('start, one after the other, from one image', async () => {
    for (const name of ['instance1', 'instance2', 'instance3'])
      await world().ok('instance', 'start', world().image(), name);
    expect(await names()).toEqual(['instance1', 'instance2', 'instance3']);
  });

  test('are listed by a pattern', async () => {
    expect(await names('*2')).toEqual(['instance2']);
  });

  test('take run, exec and shell', async () => {
    expect(await world().ok('run', 'instance://instance1')).toContain('runscript: 0: \n');
    expect(await world().ok('exec', 'instance://instance2', 'cat', '/etc/os-release')).toContain('busybox fixture');
    expect(await world().davitWith({ input: 'echo "$PS1"\n' }, 'shell', 'instance://instance3')).toMatchObject({
      status: 0,
      stdout: 'Apptainer> \n',
    });
  });

  test('stop by name, and all of them in three ways', async () => {
    await world().ok('instance', 'stop', 'instance1');
    expect(await names()).toEqual(['instance2', 'instance3']);
    for (const all of ['*', '--all', '-a']) {
      await world().ok('instance', 'stop', all);
      expect(await names()).toEqual([]);
      for (const name of ['instance2', 'instance3']) await world().ok('instance', 'start', world().image(), name);
    }
  });
});

withWorld('PID files', (world) => {
  const start = async (target: World, ...args: string[]): Promise<number> => {
    const file = target.path('instance.pid');
    await target.ok('instance', 'start', '--pid-file', file, target.image(), 'instanceA', ...args);
    return Number(readFileSync(file, 'utf8'));
  };

  test('hold the process that stands for the instance', async () => {
    const pid = await start(world());
    expect(await world().listed('instanceA')).toMatchObject({ pid });
    await world().ok('instance', 'stop', 'instanceA');
    await eventually(() => expect(isAlive(pid)).toBe(false));
  });

  test('lead a supervisor to it: SIGTERM ends the whole instance', async () => {
    const pid = await start(world(), 'polite');
    const { programPid } = await world().listed('instanceA');
    await eventually(() => expect(minds(programPid, 'SIGTERM', 'SigCgt')).toBe(true));
    process.kill(pid, 'SIGTERM');
    await eventually(() => expect(isAlive(pid)).toBe(false));
    await world().expectNothingLeft();
    expect(await world().list()).toEqual([]);
    expect(await world().ok('instance', 'logs', 'instanceA')).toContain('startscript: got TERM\n');
  });

  test('lead a supervisor to it: SIGKILL as well', async () => {
    const pid = await start(world());
    process.kill(pid, 'SIGKILL');
    await world().expectNothingLeft();
    expect(await world().list()).toEqual([]);
  });
});
