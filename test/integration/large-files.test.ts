/**
 * A file of 9 GiB from end to end: out of a directory and out of layers into a SIF, and from there into containers and
 * sandboxes. Nothing but its marks is ever stored; with DAVIT_TEST_LARGE=1 all bytes pass through a layer and a digest
 * as well, which takes minutes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { layOutBusybox } from './support/busybox';
import { describeWith } from './support/capabilities';
import { buildEnv } from './support/definitions';
import { writeLayout } from './support/oci-layout';
import { type World, withWorld } from './support/world';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const SIZE = 9 * GIB;
const MARKS: [offset: number, text: string][] = [
  [0, 'begin'],
  [4 * GIB + 123, 'four'],
  [8 * GIB + 77, 'eight'],
  [SIZE - 4, 'end!'],
];
const minutes = 60_000;

/** A busybox whose `big` is the file. */
function makeTree(world: World): string {
  const root = world.makeDirectory('tree');
  layOutBusybox(root);
  const fd = openSync(join(root, 'big'), 'w', 0o644);
  ftruncateSync(fd, SIZE);
  for (const [offset, text] of MARKS) writeSync(fd, text, offset);
  closeSync(fd);
  return root;
}

/** Prints size, marks, and zeros in front of one of them. */
const LOOK = [
  'stat -c %s /big',
  ...MARKS.map(([at, { length }]) => `dd if=/big bs=1 skip=${at} count=${length} 2>/dev/null; echo`),
  `dd if=/big bs=1 skip=${8 * GIB + 70} count=7 2>/dev/null | od -An -tx1`,
].join('\n');

async function expectWhole(world: World, image: string, ...options: string[]): Promise<void> {
  const seen = await world.inside(['--containall', ...options], LOOK, image);
  expect(seen.split('\n').map((line) => line.trim())).toEqual([
    String(SIZE),
    ...MARKS.map(([, text]) => text),
    '00 00 00 00 00 00 00',
  ]);
}

/** Builds and returns the image. */
async function build(world: World, name: string, source: string, ...options: string[]): Promise<string> {
  const target = world.path(name);
  await world.okWith({ env: buildEnv(world), timeoutMs: 10 * minutes }, 'build', ...options, target, source);
  return target;
}

/** The same file as a tar without holes, its size in base 256 as it does not fit in eleven octal digits. */
function plainLayer(): { blob: Buffer; diffId: string } {
  const header = Buffer.alloc(512);
  header.write('big', 0);
  header.write('0000644\0', 100);
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(SIZE), 128);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(64 * MIB);
  const packedZeros = gzipSync(zeros, { level: 1 });
  const members: Buffer[] = [];
  const add = (bytes: Buffer): void => {
    hash.update(bytes);
    members.push(bytes === zeros ? packedZeros : gzipSync(bytes));
  };
  add(header);
  // A gzip stream has any number of members: most are the same.
  for (let at = 0; at < SIZE; at += zeros.length) {
    const marks = MARKS.filter(([offset]) => offset >= at && offset < at + zeros.length);
    const bytes = marks.length > 0 ? Buffer.from(zeros) : zeros;
    for (const [offset, text] of marks) bytes.write(text, offset - at);
    add(bytes);
  }
  add(Buffer.alloc(1024));
  return { blob: Buffer.concat(members), diffId: `sha256:${hash.digest('hex')}` };
}

function digestOfFile(path: string): string {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(8 * MIB);
  const fd = openSync(path, 'r');
  for (let size = readSync(fd, buffer); size > 0; size = readSync(fd, buffer)) hash.update(buffer.subarray(0, size));
  closeSync(fd);
  return hash.digest('hex');
}

describeWith(['busybox', 'userns'], 'a file of 9 GiB', () => {
  withWorld('with holes', (world) => {
    test(
      'goes from a directory into a SIF, and out again',
      async () => {
        const image = await build(world(), 'directory.sif', makeTree(world()));
        expect(statSync(image).size).toBeLessThan(16 * MIB);
        await expectWhole(world(), image);
        const sandbox = await build(world(), 'sandbox', image, '--sandbox');
        const { size, blocks } = statSync(join(sandbox, 'big'));
        expect(size).toBe(SIZE);
        expect(blocks * 512).toBeLessThan(16 * MIB); // its holes are holes again
        await expectWhole(world(), sandbox);
        await expectWhole(world(), await build(world(), 'again.sif', image, '--compression', 'gzip'));
      },
      2 * minutes,
    );

    test.each(['gnu', 'posix'])(
      'goes from a layer in the %s format into a SIF',
      async (format) => {
        const tar = world().path(`${format}.tar`);
        execFileSync('tar', ['-C', world().path('tree'), `--format=${format}`, '-S', '-cf', tar, '.']);
        const layout = world().path(`layout-${format}`);
        mkdirSync(layout);
        await expectWhole(world(), await build(world(), `${format}.sif`, writeLayout(layout, [readFileSync(tar)])));
      },
      2 * minutes,
    );
  });

  if (process.env.DAVIT_TEST_LARGE === undefined) {
    describe('in full', () => test.skip('all of its bytes (only with DAVIT_TEST_LARGE=1)', () => undefined));
    return;
  }
  withWorld('in full', (world) => {
    test(
      'goes from a layer into a SIF, with every byte',
      async () => {
        const root = makeTree(world());
        const tar = execFileSync('tar', ['-C', root, '--exclude=./big', '-cf', '-', '.'], { maxBuffer: 64 * MIB });
        const layout = world().path('layout');
        mkdirSync(layout);
        const source = writeLayout(layout, [tar], { compressed: plainLayer() });
        const image = await build(world(), 'plain.sif', source);
        expect(statSync(image).size).toBeLessThan(16 * MIB);
        await expectWhole(world(), image);
        const args = ['exec', '--containall', image, 'sha256sum', '/big'];
        const sum = await world().okWith({ timeoutMs: 10 * minutes }, ...args);
        expect(sum.split(' ')[0]).toBe(digestOfFile(join(root, 'big')));
      },
      20 * minutes,
    );
  });
});
