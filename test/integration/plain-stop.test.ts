/** `instance stop NAME` without options needs no Node, and says and does what Node does; what is not plain is Node's. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Outcome, withWorld, type World } from './support/world';

/** With a Node that fails: what happens then, the launcher has done. */
const withoutNode = { env: { DAVIT_NODE: '/bin/false' } };
const plain = (world: World, ...words: string[]): Promise<Outcome> =>
  world.davitWith(withoutNode, 'instance', 'stop', ...words);

withWorld('instance stop without Node', (world) => {
  test('a service that ends: the same words, the same state, the name is free again', async () => {
    for (const round of [1, 2]) {
      await world().ok('instance', 'start', world().image(), 'web,other', 'polite');
      const [{ pid }, other] = [await world().listed('web'), await world().listed('other')];
      const words = (name: string, process: number): string =>
        `INFO:    Stopping ${name} instance of ${world().image()} (PID=${process})\n`;
      expect(await plain(world(), 'web'), `round ${round}`).toEqual({
        status: 0,
        signal: null,
        code: 0,
        stdout: '',
        stderr: words('web', pid),
      });
      expect((await world().list()).map(({ instance }) => instance)).toEqual(['other']);
      expect((await world().davit('instance', 'stop', 'othe?')).stderr).toBe(words('other', other.pid));
    }
  });

  test('a suspended instance, and one whose startscript has ended', async () => {
    await world().ok('instance', 'start', world().image(), 'suspended', 'polite');
    const { pid, keeperPid, programPid } = await world().listed('suspended');
    for (const each of [keeperPid, pid, programPid]) process.kill(each, 'SIGSTOP');
    expect((await plain(world(), 'suspended')).status).toBe(0);
    await world().ok('instance', 'run', world().image(), 'ended', 'fail');
    await expect.poll(async () => (await world().listed('ended')).state).toBe('exited');
    expect((await plain(world(), 'ended')).status).toBe(0);
    expect(await world().list()).toEqual([]);
  });

  test('a service that ignores the signal: after ten seconds SIGKILL, and INFO says so', async () => {
    const script = 'trap "" INT; while :; do sleep 0.1; done';
    await world().ok('instance', 'start', world().image(), 'deaf', 'run', 'sh', '-c', script);
    const { pid } = await world().listed('deaf');
    // Not before the script has taken its signal away.
    await expect
      .poll(() =>
        world()
          .processes()
          .some(({ commandLine }) => commandLine === 'sleep 0.1'),
      )
      .toBe(true);
    const begin = performance.now();
    const of = `deaf instance of ${world().image()} (PID=${pid})`;
    expect(await plain(world(), 'deaf')).toMatchObject({
      status: 0,
      stderr: `INFO:    Stopping ${of}\nINFO:    Killing ${of} (Timeout)\n`,
    });
    expect(performance.now() - begin).toBeGreaterThan(9_900);
    expect(await world().list()).toEqual([]);
  });

  test('two at a time: both succeed, or one finds nothing', async () => {
    await world().ok('instance', 'start', world().image(), 'web', 'polite');
    const stops = [1, 2].map(() => world().davit('instance', 'stop', 'web'));
    for (const { status, stderr } of await Promise.all(stops))
      expect(status === 0 || stderr.includes('no instance found'), stderr).toBe(true);
    expect(await world().list()).toEqual([]);
  });

  test('what is not plain is left to Node, which finds all as it was', async () => {
    await world().ok('instance', 'start', world().image(), 'web', 'polite');
    const record = join(world().stateDir, 'instances/web/record.pb');
    const before = readFileSync(record);
    for (const words of [
      ['-s', 'INT', 'web'],
      ['we*'],
      ['web,'],
      ['--all'],
      ['nobody'],
      ['web', 'web'],
      ['--', 'web'],
      [],
    ])
      expect(await plain(world(), ...words)).toMatchObject({ status: 1, stdout: '', stderr: '' });
    for (const name of ['DAVIT_STOP_TIMEOUT', 'APPTAINER_SIGNAL', 'DAVIT_LOG']) {
      const env = { ...withoutNode.env, [name]: '1' };
      expect(await world().davitWith({ env }, 'instance', 'stop', 'web')).toMatchObject({ status: 1, stderr: '' });
    }
    writeFileSync(record, before.subarray(0, -1));
    expect(await plain(world(), 'web')).toMatchObject({ status: 1, stderr: '' });
    rmSync(record);
    expect(await plain(world(), 'web')).toMatchObject({ status: 1, stderr: '' });
    writeFileSync(record, before);
    expect((await plain(world(), 'web')).status).toBe(0);
  });
});
