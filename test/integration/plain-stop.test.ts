/** `instance stop` of whole instances needs no Node, and says and does what Node does; what is not plain is Node's. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { minds } from './support/processes';
import { davitPath, type Outcome, withWorld, type World } from './support/world';

/** With a Node that fails: what happens then, the launcher has done. */
const withoutNode = { env: { DAVIT_NODE: '/bin/false' } };
interface Left {
  said: string;
  left: string[];
}

const plain = (world: World, ...words: string[]): Promise<Outcome> =>
  world.davitWith(withoutNode, 'instance', 'stop', ...words);

/** A variable that is an option leads to Node, and this one changes nothing. */
const throughNode = { env: { DAVIT_VERBOSE: 'false' } };

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

  test.each([
    [['--all']],
    [['*']],
    [['web-*']],
    [['*-*1']],
    [['db,web-?0']],
    [[',,d?,']],
    [['-a', '--force', 'ignored']],
    [['-t5', '-s', 'sigint', 'db']],
    [['--signal', '2', '--timeout', '010', 'web-1']],
    [['-s=TERM', '-F', 'w*1*,w*0']],
  ])('%j: the same words, and the same is left, as with Node', async (words) => {
    const [ours, nodes] = [await stopped(withoutNode, words), await stopped(throughNode, words)];
    expect(ours).toEqual(nodes);
    expect(ours.said).toContain('Stopping');
  });

  /** What a stop says, with the names of the processes instead of their numbers, and which instances it leaves. */
  async function stopped(how: { env: Record<string, string> }, words: string[]): Promise<Outcome & Left> {
    await world().ok('instance', 'start', world().image(), 'db,web-[1,10,2]');
    const pids = new Map((await world().list()).map(({ instance, pid }) => [String(pid), instance]));
    const outcome = await world().davitWith(how, 'instance', 'stop', ...words);
    const said = outcome.stderr.replace(/(?<=PID=)\d+/g, (pid) => pids.get(pid) ?? 'unknown');
    const left = [...(await world().ok('instance', 'list')).matchAll(/^\S+(?= +\d)/gm)].map(([name]) => name);
    if (left.length > 0) await world().ok('instance', 'stop', '--force', '--all');
    return { ...outcome, stderr: '', said, left };
  }

  test('a pattern that matches nothing is Node’s', async () => {
    await world().ok('instance', 'start', world().image(), 'db,web-[1,10]');
    for (const pattern of ['', ',', '?', 'web', 'web-', 'web-?0?', 'we*b', '*-', 'd*b?', 'dbb', 'b', '*web', '?*?*?b'])
      expect(await plain(world(), pattern), pattern).toMatchObject({ status: 1, stderr: '' });
    expect(await world().list()).toHaveLength(3);
    await world().stopAll();
  });

  test('more instances than the caller may open files', async () => {
    await world().ok('instance', 'start', world().image(), 'web-[1-8]', 'polite');
    const script = 'ulimit -Sn 9; exec "$0" instance stop --all';
    const { status, stderr } = await world().command('sh', ['-c', script, davitPath], withoutNode);
    expect({ status, stopped: stderr.match(/Stopping/g) }).toMatchObject({ status: 0, stopped: { length: 8 } });
    expect(await world().list()).toEqual([]);
  });

  /** Not before the script has taken its signal away. */
  async function becomesDeaf(name: string): Promise<void> {
    const { programPid } = await world().listed(name);
    await expect.poll(() => minds(programPid, 'SIGINT', 'SigIgn')).toBe(true);
  }

  test('one of several ignores the signal: it alone is killed', async () => {
    const deaf = ['run', 'sh', '-c', 'trap "" INT; while :; do sleep 0.1; done'];
    await world().ok('instance', 'start', world().image(), 'web-[1-2]', 'polite');
    await world().ok('instance', 'start', world().image(), 'web-deaf', ...deaf);
    await becomesDeaf('web-deaf');
    const begin = performance.now();
    // Time enough for those that are not deaf.
    const { status, stderr } = await plain(world(), '--timeout', '4', '--all');
    expect(performance.now() - begin).toBeGreaterThan(3_950);
    expect(status).toBe(0);
    expect(stderr.match(/(?:Stopping|Killing) \S+/g)).toEqual([
      'Stopping web-1',
      'Stopping web-2',
      'Stopping web-deaf',
      'Killing web-deaf',
    ]);
    expect(await world().list()).toEqual([]);
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
    await becomesDeaf('deaf');
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
    for (const words of [['web-1'], ['web-*'], ['--all'], ['-F', '-a']]) {
      await world().ok('instance', 'start', world().image(), 'web-[1-5]', 'polite');
      const stops = [1, 2].map(() => world().davit('instance', 'stop', ...words));
      for (const { status, stderr } of await Promise.all(stops))
        expect(status === 0 || stderr.includes('no instance found'), stderr).toBe(true);
      expect((await world().list()).map(({ instance }) => instance)).not.toContain('web-1');
      await world().stopAll();
    }
  });

  test('while others start: what is up is stopped, what is not yet is let be', async () => {
    await world().ok('instance', 'start', world().image(), 'web-0');
    const starts = Array.from({ length: 4 }, (_, i) =>
      world().davit('instance', 'start', world().image(), `web-${i + 1}`),
    );
    for (let round = 0; round < 10; round++) {
      const { status, stderr } = await world().davit('instance', 'stop', 'web-*');
      expect(status === 0 || stderr.includes('no instance found'), stderr).toBe(true);
    }
    for (const { status, stderr } of await Promise.all(starts)) expect(status, stderr).toBe(0);
    await world().stopAll();
  });

  test('what is not plain is left to Node, which finds all as it was', async () => {
    await world().ok('instance', 'start', world().image(), 'web', 'polite');
    const record = join(world().stateDir, 'instances/web/record.pb');
    const before = readFileSync(record);
    for (const words of [
      ['nobody'],
      ['we[a-b]'],
      ['we[ab,b]'],
      ['we\\b'],
      ['wéb*'],
      ['web', 'web'],
      ['web', '-F'],
      ['--', 'web'],
      ['-', 'web'],
      [],
      ['-s', 'NOSUCH', 'web'],
      ['-s', '0', 'web'],
      ['-s65', 'web'],
      ['-s', '', 'web'],
      ['-t', '-1', 'web'],
      ['-t', '1.5', 'web'],
      ['-t', 'web'],
      ['-t'],
      ['--all=false', 'web'],
      ['-aF'],
      ['--user', 'root', '--all'],
      ['--timing', 'web'],
    ])
      expect(await plain(world(), ...words)).toMatchObject({ status: 1, stdout: '', stderr: '' });
    for (const name of ['DAVIT_STOP_TIMEOUT', 'APPTAINER_SIGNAL', 'DAVIT_LOG']) {
      const env = { ...withoutNode.env, [name]: '1' };
      expect(await world().davitWith({ env }, 'instance', 'stop', 'web')).toMatchObject({ status: 1, stderr: '' });
    }
    await world().ok('instance', 'start', world().image(), 'other');
    writeFileSync(record, before.subarray(0, -1));
    for (const word of ['web', '--all', '*'])
      expect(await plain(world(), word), word).toMatchObject({ status: 1, stderr: '' });
    expect((await world().list()).map(({ instance }) => instance)).toEqual(['other']);
    expect((await plain(world(), 'o*')).status).toBe(0);
    rmSync(record);
    expect(await plain(world(), 'web')).toMatchObject({ status: 1, stderr: '' });
    writeFileSync(record, before);
    expect((await plain(world(), 'web')).status).toBe(0);
  });
});
