/** `davit overlay create`: ext3 images as files and in SIF files. */
import { copyFileSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { testWith } from './support/capabilities';
import { withWorld } from './support/world';

withWorld('davit overlay create', (world) => {
  testWith(['mkfs_ext3'], 'makes a file with the layout of an overlay', async () => {
    const image = world().path('a.img');
    await world().ok('overlay', 'create', '--sparse', '--size', '65', '--create-dir', '/a/b,c', image);
    expect(statSync(image)).toMatchObject({ size: 65 << 20, mode: 0o100600 });
    const list = async (path: string): Promise<string[]> => {
      const { stdout } = await world().command('debugfs', ['-R', `ls -p ${path}`, image]);
      return stdout.split('\n').flatMap((line) => line.match(/\/(\d{6}\/\d+\/\d+\/[a-z]+)\//)?.[1] ?? []);
    };
    const owner = `${process.getuid?.()}/${process.getgid?.()}`;
    expect(await list('/')).toEqual(expect.arrayContaining([`040755/${owner}/upper`, `040755/${owner}/work`]));
    expect(await list('/upper')).toEqual([`040755/${owner}/a`, `040755/${owner}/c`]);
    expect(await list('/upper/a')).toEqual([`040755/${owner}/b`]);
    const again = await world().davit('overlay', 'create', image);
    expect(again).toMatchObject({ status: 255, stderr: `FATAL:   EXT3 overlay image ${image} already exists\n` });
  });

  testWith(['mkfs_ext3'], 'adds one to a SIF, once, and not to a signed one', async () => {
    const image = world().path('b.sif');
    copyFileSync(world().image(), image);
    await world().ok('overlay', 'create', image);
    expect(await world().ok('sif', 'list', image)).toMatch(
      /\n4 +\|1 +\|NONE +\|\d+-\d+ +\|FS \(Ext3\/Overlay\/\w+\)\n$/,
    );
    expect(await world().ok('exec', image, 'echo', 'runs')).toBe('runs\n');
    const second = await world().davit('overlay', 'create', image);
    expect(second.stderr).toContain(
      `already exists in ${image} (ID: 4), delete it first with "davit sif del 4 ${image}"`,
    );
    await world().ok('sif', 'del', '4', image);
    const flags = ['--datatype', '5', '--signhash', '1', '--signentity', '433FE984155206BD962725E20E8713472A879943'];
    await world().ok('sif', 'add', image, world().write('signature', 'x'), ...flags);
    const before = readFileSync(image);
    const signed = await world().davit('overlay', 'create', image);
    expect(signed.stderr).toBe(`FATAL:   SIF image ${image} is signed: could not add writable overlay\n`);
    expect(readFileSync(image).equals(before)).toBe(true);
  });

  test('says what is wrong and leaves nothing', async () => {
    const directory = world().makeDirectory('wrong');
    const cases: [string[], RegExp][] = [
      [['--size', '63', `${directory}/x.img`], /image size must be equal or greater than 64 MiB/],
      [[directory], /destination image must be SIF image/],
      [[world().write('text', 'none')], /while opening image file .*text: reading global header/],
    ];
    for (const [args, message] of cases) {
      const { status, stderr } = await world().davit('overlay', 'create', ...args);
      expect({ args, status }).toEqual({ args, status: 255 });
      expect(stderr).toMatch(message);
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  testWith(['mkfs_ext3'], 'makes no directory outside of the overlay', async () => {
    const { status, stderr } = await world().davit('overlay', 'create', '--create-dir', '../x', world().path('x.img'));
    expect({ status, stderr }).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('outside of overlay layout'),
    });
    expect(readdirSync(world().directory)).not.toContain('x.img');
  });
});
