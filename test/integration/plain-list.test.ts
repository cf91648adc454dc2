/** `instance list` without options is printed without Node, byte for byte as Node prints it; what is not plain is Node's. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeRecord, type InstanceRecord } from '../../src/runtime/instance/record';
import { davit } from '../../src/schema/generated/record';
import { eventually } from './support/patience';
import { davitPath, type Outcome, withWorld, type World } from './support/world';

const longName = `a${'b'.repeat(126)}c`;

/** With a Node that fails: what is printed then, the launcher has printed. */
const withoutNode = { env: { DAVIT_NODE: '/bin/false' } };
const plain = (world: World): Promise<Outcome> => world.davitWith(withoutNode, 'instance', 'list');
const byNode = (world: World): Promise<Outcome> => world.davit('instance', 'list', '--', '*');

const recordOf = (world: World, name: string): string => join(world.stateDir, 'instances', name, 'record.pb');

/** The record of a running instance with changes, or with other bytes behind it. */
function change(world: World, name: string, changes: Partial<InstanceRecord>, more: number[] = []): void {
  const path = recordOf(world, name);
  const record = davit.InstanceRecord.decode(readFileSync(path));
  writeFileSync(path, Buffer.concat([encodeRecord({ ...record, ...changes }), Buffer.from(more)]));
}

/** Both ways print the same; the launcher alone does it, or has left it to Node. */
async function expectSame(world: World, who: 'launcher' | 'node'): Promise<string> {
  const expected = await byNode(world);
  expect(expected.status).toBe(0);
  expect(await world.davit('instance', 'list')).toEqual(expected);
  const { status, stdout } = await plain(world);
  expect([status, stdout]).toEqual(who === 'launcher' ? [0, expected.stdout] : [1, '']);
  return expected.stdout;
}

withWorld('instance list without Node', (world) => {
  test('without a state directory, without instances, with a name of every length', async () => {
    rmSync(world().stateDir, { recursive: true, force: true });
    const header = await expectSame(world(), 'launcher');
    expect(header).toBe('INSTANCE NAME    PID    IP    IMAGE\n');
    await world().ok('instance', 'start', world().image(), 'one');
    await expectSame(world(), 'launcher');
    await world().ok('instance', 'start', world().image(), `Z9,a.b,a-b,a_b,${longName}`);
    const lines = (await expectSame(world(), 'launcher')).split('\n').slice(1, -1);
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['Z9', 'a-b', 'a.b', 'a_b', longName, 'one']);
  });

  test('patterns without brackets', async () => {
    for (const pattern of ['*', 'a?b', 'a*', 'one', 'none', '*n*', 'one,Z*']) {
      const expected = await world().davit('instance', 'list', '--', pattern);
      expect(await world().davitWith(withoutNode, 'instance', 'list', pattern)).toEqual(expected);
    }
  });

  const records: [string, 'launcher' | 'node', Partial<InstanceRecord>, number[]][] = [
    ['an address and a long path', 'launcher', { ip: '10.22.0.123', image: `/${'long/'.repeat(300)}x.sif` }, []],
    ['an image of the greatest PID', 'launcher', { pid: 4_194_304 }, []],
    ['a field twice', 'launcher', {}, [0x32, 2, 0x2f, 0x78]],
    ['a wide path', 'node', { image: '/srv/画像/日本.sif' }, []],
    ['a path with a control character', 'node', { image: '/srv/a\x1b[31mb.sif' }, []],
    ['a path that is not UTF-8', 'node', {}, [0x32, 3, 0x2f, 0xff, 0xfe]],
    ['a PID that none can be', 'node', { pid: 4_194_305 }, []],
    ['another format', 'node', { format: 2 }, []],
    ['another name', 'node', { name: 'two' }, []],
    ['no image', 'node', { image: '' }, []],
    ['a log that is no path', 'node', { logErr: 'x' }, []],
    ['a field of another version', 'node', {}, [0x88, 0x07, 1]],
    ['a field of another type', 'node', {}, [0x30, 1]],
    ['a cut field', 'node', {}, [0x32, 100, 0x2f]],
  ];
  for (const [what, who, changes, more] of records) {
    test(`a record with ${what}: ${who}`, async () => {
      const before = readFileSync(recordOf(world(), 'one'));
      change(world(), 'one', changes, more);
      await expectSame(world(), who);
      writeFileSync(recordOf(world(), 'one'), before);
    });
  }

  test('no record, a link or a directory in its place', async () => {
    const path = recordOf(world(), 'one');
    const before = readFileSync(path);
    rmSync(path);
    expect(await expectSame(world(), 'launcher')).not.toMatch(/^one /m);
    symlinkSync('/etc/hostname', path);
    await expectSame(world(), 'node');
    rmSync(path);
    mkdirSync(path);
    await expectSame(world(), 'node');
    rmSync(path, { recursive: true });
    writeFileSync(path, before);
    expect(await expectSame(world(), 'launcher')).toMatch(/^one /m);
  });

  test('what a dead instance has left is removed; what is no instance is passed over', async () => {
    const instances = join(world().stateDir, 'instances');
    mkdirSync(join(instances, 'dead'));
    writeFileSync(join(instances, 'dead/record.pb'), 'x');
    mkdirSync(join(instances, 'no name'));
    expect((await plain(world())).stdout).not.toContain('dead');
    expect(existsSync(join(instances, 'dead'))).toBe(false);
    const { keeperPid } = await world().listed('a.b');
    process.kill(keeperPid, 'SIGKILL');
    await eventually(async () => expect((await plain(world())).stdout).not.toMatch(/^a\.b /m));
    await expectSame(world(), 'launcher');
    expect(existsSync(join(instances, 'no name'))).toBe(true);
    rmSync(join(instances, 'no name'), { recursive: true });
  });

  test('a state directory that must not be used is refused by Node', async () => {
    chmodSync(world().stateDir, 0o755);
    const { status, stderr } = await world().davit('instance', 'list');
    expect([status, stderr]).toEqual([255, (await byNode(world())).stderr]);
    expect(stderr).toContain('others can enter it');
    chmodSync(world().stateDir, 0o700);
  });

  test('options, several words and variables that are options are Node’s', async () => {
    for (const word of ['--json', '--all', '-l', '', '[a-z]*', 'o\\ne', '--', '--help'])
      expect((await world().davitWith(withoutNode, 'instance', 'list', word)).stdout).toBe('');
    expect((await world().davitWith(withoutNode, 'instance', 'list', 'one', 'two')).stdout).toBe('');
    expect((await world().davitWith(withoutNode, '-q', 'instance', 'list')).stdout).toBe('');
    for (const name of ['DAVIT_JSON', 'APPTAINER_USER', 'SINGULARITY_LOGS', 'DAVIT_LOG', 'DAVIT_MESSAGELEVEL']) {
      const env = { ...withoutNode.env, [name]: '1' };
      expect(await world().davitWith({ env }, 'instance', 'list')).toMatchObject({ status: 1, stdout: '' });
    }
  });

  test('an output that takes nothing', async () => {
    const to = async (file: string): Promise<[number | null, boolean]> => {
      const script = `exec "$0" instance list >${file}`;
      const { status, stderr } = await world().command('/bin/sh', ['-c', script, davitPath]);
      return [status, stderr === ''];
    };
    const node = await world().command('/bin/sh', ['-c', 'exec "$0" instance list -- "*" >/dev/full', davitPath]);
    expect(await to('/dev/full')).toEqual([node.status, node.stderr === '']);
    expect(await to('/dev/null')).toEqual([0, true]);
  });
});
