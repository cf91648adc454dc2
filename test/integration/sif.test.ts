/** `davit sif`: looking into SIF files and changing them. */
import { copyFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sifBytes } from '../fixtures/sif-bytes';
import { davitPath, withWorld, type World } from './support/world';

function copyOf(world: World, name: string): string {
  const path = world.path(name);
  copyFileSync(world.image(), path);
  return path;
}

/** ID and TYPE of every row of `sif list`. */
async function objects(world: World, image: string): Promise<string[]> {
  const rows = (await world.ok('sif', 'list', image)).trimEnd().split('\n').slice(3);
  return rows.map((row) => row.split('|')).map((cells) => `${cells[0]?.trim()} ${cells[4]}`);
}

withWorld('davit sif', (world) => {
  test('makes an image, object by object, that runs', async () => {
    const image = world().path('made.sif');
    const partition = world().path('rootfs.squashfs');
    await world().ok('sif', 'new', image);
    expect(await world().ok('sif', 'list', image)).toMatch(/\|TYPE\n-{78}\n$/);
    const dumped = await world().command('bash', ['-c', `${davitPath} sif dump 3 ${world().image()} >${partition}`]);
    expect(dumped.status).toBe(0);
    const flags = ['--datatype', '4', '--partfs', '1', '--partarch', process.arch === 'arm64' ? '4' : '2'];
    await world().ok('sif', 'add', image, partition, ...flags, '--parttype', '1');
    await world().ok('sif', 'setprim', '1', image);
    expect(await world().ok('exec', image, 'echo', 'it runs')).toBe('it runs\n');
    expect(await world().ok('siftool', 'list', image)).toMatch(/\|FS \(Squashfs\/\*System\/\w+\)\n$/);
  });

  test('adds, shows, prints and deletes an object; flags may stand anywhere', async () => {
    const image = copyOf(world(), 'changed.sif');
    const notes = world().write('notes', 'hello\n');
    await world().ok('sif', 'add', '--datatype=7', image, notes, '--filename', 'notes', '--groupid', '1');
    expect((await objects(world(), image)).at(-1)).toBe('4 Generic/Raw');
    expect(await world().ok('sif', 'info', '4', image)).toMatch(/Group ID: +1\n(.*\n)*.*Name: +notes\n$/);
    expect(await world().ok('sif', 'dump', '4', image)).toBe('hello\n');
    expect(await world().ok('exec', image, 'echo', 'still runs')).toBe('still runs\n');
    await world().ok('sif', 'del', '4', image);
    expect(await objects(world(), image)).toHaveLength(3);
    expect(await world().ok('sif', 'header', image)).toContain('Descriptors Free:     45\n');
  });

  test('ends with the usage and exit code 1 whatever is wrong', async () => {
    const image = copyOf(world(), 'errors.sif');
    const { size } = statSync(image);
    const usage = 'Usage:\n  davit [global options...] sif info <id> <sif_path>\n\n';
    const failed = await world().davit('sif', 'info', '9', image);
    expect(failed).toMatchObject({ status: 1, stderr: 'Error for command "info": object not found\n\n' });
    expect(failed.stdout.startsWith(usage)).toBe(true);
    const cases: [string[], string][] = [
      [['list', 'none.sif'], 'open none.sif: no such file or directory'],
      [['dump', '0', image], 'invalid object ID'],
      [['del', '1x', image], 'while converting id: strconv.ParseUint: parsing "1x": invalid syntax'],
      [['info', '4294967296', image], 'value out of range'],
      [['setprim', '1', image], 'data object not a partition'],
      [['add', image, 'none', '--datatype', '7'], 'open none: no such file or directory'],
      [['add', image, '/', '--datatype', '7'], 'read /: is a directory'],
      [['add', image, image, '--datatype', '7'], `${image} cannot be added to itself`],
      [['new', '/none/x.sif'], 'open /none/x.sif: no such file or directory'],
      [['list'], 'accepts 1 arg(s), received 0'],
    ];
    for (const [args, message] of cases) {
      const { status, stderr } = await world().davit('sif', ...args);
      expect({ args, status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining(message) });
    }
    expect(statSync(image).size).toBe(size);
  });

  test('leaves the image as it was when the disk is full', async () => {
    // A file size limit stands in for it.
    const image = copyOf(world(), 'full.sif');
    const before = readFileSync(image);
    const big = world().path('big');
    writeFileSync(big, '');
    truncateSync(big, before.length + 10_000_000);
    const blocks = Math.ceil(before.length / 1024) + 1000;
    const command = `ulimit -f ${blocks}; trap '' XFSZ; ${davitPath} sif add ${image} ${big} --datatype 7`;
    const { status, stderr } = await world().command('bash', ['-c', command]);
    expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining('file too large') });
    expect(readFileSync(image).equals(before)).toBe(true);
  });

  test('lets one at a time change an image, and all others read it', async () => {
    const image = copyOf(world(), 'locked.sif');
    const command = `flock -n 9 && ${davitPath} sif list ${image} && ${davitPath} sif del 2 ${image}`;
    const result = await world().command('bash', ['-c', `exec 9<${image}; ${command}`]);
    expect(result.status).toBe(1);
    expect(result.stdout).toContain('|FS (Squashfs');
    expect(result.stderr).toContain('somebody else is changing the image');
    expect(await objects(world(), image)).toHaveLength(3);
  });

  test('leaves nothing beside an image that it makes', async () => {
    const directory = world().makeDirectory('new');
    await world().okWith({ cwd: directory }, 'sif', 'new', 'x.sif');
    await world().okWith({ cwd: directory }, 'sif', 'new', 'x.sif');
    expect(readdirSync(directory)).toEqual(['x.sif']);
    expect(statSync(`${directory}/x.sif`).size).toBe(32176);
  });

  test('refuses damaged images with a reason', async () => {
    const good = sifBytes();
    const at = (slot: number, field: number) => 4096 + slot * 585 + field;
    const damages: [string, (bytes: Buffer) => unknown, string][] = [
      ['empty', () => Buffer.alloc(0), 'reading global header: unexpected EOF'],
      ['cut', (bytes) => bytes.subarray(0, 20_000), 'reading descriptors: unexpected EOF'],
      ['short', (bytes) => bytes.subarray(0, 33_000), 'beyond the end of the file'],
      ['magic', (bytes) => bytes.write('X', 32), 'invalid SIF magic'],
      ['version', (bytes) => bytes.write('02', 42), 'incompatible SIF version'],
      ['count', (bytes) => bytes.writeBigInt64LE(10n ** 12n, 88), 'it claims 1000000000000 descriptors'],
      ['negative', (bytes) => bytes.writeBigInt64LE(-1n, 88), 'it claims -1 descriptors'],
      ['huge', (bytes) => bytes.writeBigInt64LE(2n ** 62n, at(0, 25)), 'beyond the end of the file'],
      ['overlap', (bytes) => bytes.writeBigInt64LE(32170n, at(1, 17)), 'overlap'],
      ['twice', (bytes) => bytes.writeUInt32LE(1, at(1, 5)), 'two SIF objects have the id 1'],
    ];
    for (const [name, damage, message] of damages) {
      const bytes = Buffer.from(good);
      const changed = damage(bytes);
      const image = world().path(`${name}.sif`);
      writeFileSync(image, Buffer.isBuffer(changed) ? changed : bytes);
      const before = readFileSync(image);
      // Both look at a file in the same way; reading is tried with all, writing with some.
      const tried = ['short', 'huge', 'overlap'].includes(name) ? 2 : 1;
      for (const args of [
        ['list', image],
        ['add', image, davitPath, '--datatype', '7'],
      ].slice(0, tried)) {
        const { status, stderr } = await world().davit('sif', ...args);
        expect({ name, status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining(message) });
      }
      expect(readFileSync(image).equals(before)).toBe(true);
    }
  });
});
