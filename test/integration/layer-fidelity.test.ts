/** What tars of real programs hold is in the image: layers by GNU tar and bsdtar, compared with what umoci unpacks. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith, isRoot } from './support/capabilities';
import { writeLayout } from './support/oci-layout';
import { withWorld } from './support/world';

const LONG = 'long-name-'.repeat(20);

/** A file of every kind that a layer can hold. */
function makeLower(root: string): void {
  const file = (name: string, content: string, mode = 0o644): string => {
    writeFileSync(join(root, name), content);
    chmodSync(join(root, name), mode);
    return join(root, name);
  };
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, LONG, LONG), { recursive: true });
  mkdirSync(join(root, 'private'), { mode: 0o700 });
  chownSync(join(root, 'private'), 1000, 100);
  mkdirSync(join(root, 'shared'));
  chmodSync(join(root, 'shared'), 0o3777);
  chownSync(file('bin/set-id', 'program'), 12, 34);
  chmodSync(join(root, 'bin/set-id'), 0o6755);
  chownSync(file('far-owner', 'x'), 3_000_000, 4_000_000);
  linkSync(join(root, 'bin/set-id'), join(root, 'bin/same'));
  symlinkSync('../far-owner', join(root, 'bin/link'));
  symlinkSync(`/${LONG}/${LONG}/nowhere`, join(root, 'far-link'));
  file(`${LONG}/${LONG}/deep`, 'deep');
  writeFileSync(Buffer.concat([Buffer.from(`${root}/latin1-`), Buffer.from([0xe9, 0xff, 0x80])]), 'bytes');
  file('accent-e\u0301-\u00e9', 'two ways to write it');
  file('line\nbreak tab\t"quote"\\', 'odd');
  utimesSync(file('old', 'before 1970'), -86_400, -86_400);
  utimesSync(file('precise', 'fractions'), 1_234_567_890.5, 1_234_567_890.5);
  lutimesSync(join(root, 'bin/link'), 1_111_111_111, 1_111_111_111);
  const sparse = file('sparse', 'begin');
  truncateSync(sparse, 40 << 20);
  execFileSync('dd', [`of=${sparse}`, 'bs=1', 'seek=20000000', 'conv=notrunc', 'status=none'], { input: 'middle' });
  execFileSync('mkfifo', [join(root, 'fifo')]);
  execFileSync('mknod', ['-m', '0620', join(root, 'tty'), 'c', '5', '3']);
  execFileSync('mknod', [join(root, 'disk'), 'b', '259', '70000']);
  file('empty', '');
  execFileSync('setfattr', ['-n', 'user.colour', '-v', 'blue', join(root, 'far-owner')]);
  // cap_net_raw=ep, as setcap(8) would write it
  const capability = '0x0100000200200000000000000000000000000000';
  execFileSync('setfattr', ['-n', 'security.capability', '-v', capability, join(root, 'empty')]);
}

/** The second layer: one of two hard links is hidden, a directory becomes a file, another shows nothing of the first. */
function makeUpper(root: string): void {
  mkdirSync(join(root, 'bin'), { recursive: true });
  writeFileSync(join(root, 'bin/.wh.same'), '');
  writeFileSync(join(root, 'private'), 'now a file');
  mkdirSync(join(root, LONG));
  writeFileSync(join(root, LONG, '.wh..wh..opq'), '');
  writeFileSync(join(root, LONG, 'only'), 'this');
}

/** One line for each file; dates as squashfs can hold them. */
function listing(root: string): string[] {
  const format = '%P\\0%y %#m %U:%G %s %T@ %l %n\\0';
  const fields = execFileSync('find', ['.', '-printf', format], { cwd: root, encoding: 'latin1' }).split('\0');
  const lines: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [type, mode, owner, size, time, target, links] = (fields[at + 1] as string).split(' ');
    const isDirectory = type === 'd';
    const seconds = Math.max(0, Math.floor(Number(time)));
    // umoci gives directories that a layer only passes through the time of unpacking.
    const rest = isDirectory ? [] : [size, seconds, target, links];
    lines.push([JSON.stringify(fields[at]), type, mode, owner, ...rest].join(' '));
  }
  return lines.sort();
}

function contents(root: string): string {
  const script = 'find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; stat -c "%t:%T" tty disk';
  const sums = execFileSync('sh', ['-c', script], { cwd: root, encoding: 'latin1' });
  return sums + execFileSync('getfattr', ['-R', '-h', '-d', '-m', '^(user|security.capability)', '-e', 'hex', '.'], { cwd: root, encoding: 'latin1' }); // biome-ignore format: one command
}

const PROGRAMS: Record<string, string[]> = {
  'GNU tar, pax': ['tar', '--format=pax', '--xattrs', '--xattrs-include=*', '-S'],
  'GNU tar, gnu': ['tar', '--format=gnu'], // umoci does not know its sparse files
  'bsdtar, pax': ['bsdtar', '--format=pax', '--xattrs'],
};

/** Owners and capabilities are root's to unpack. */
function describeAsRoot(title: string, body: () => void): void {
  if (isRoot) describeWith(['umoci', 'bsdtar', 'getfattr'], title, body);
  else test.skip(`${title} (for root alone)`, () => undefined);
}

describeAsRoot('layers of real programs', () => {
  withWorld('are what umoci makes of them', (world) => {
    test.each(Object.entries(PROGRAMS))('%s', async (title, [program, ...words]) => {
      const name = title.replaceAll(/\W/g, '');
      const directory = (part: string) => world().makeDirectory(`${name}-${part}`);
      const [lower, upper] = [directory('lower'), directory('upper')];
      makeLower(lower);
      makeUpper(upper);
      const tars = [lower, upper].map((root) => {
        const tar = `${root}.tar`;
        execFileSync(program as string, [...words, '--numeric-owner', '-cf', tar, '-C', root, '.']);
        return readFileSync(tar);
      });
      const layout = world().path(`${name}-layout`);
      const uri = writeLayout(layout, tars);
      const bundle = world().path(`${name}-bundle`);
      execFileSync('umoci', ['unpack', '--image', `${layout}:latest`, bundle], { stdio: 'pipe' });
      const [sif, sandbox] = [world().path(`${name}.sif`), world().path(`${name}-sandbox`)];
      await world().ok('build', sif, uri);
      await world().ok('build', '--sandbox', sandbox, sif);
      const ours = listing(sandbox).filter((line) => !isGenerated(line));
      expect(ours).toEqual(listing(join(bundle, 'rootfs')));
      execFileSync('sh', ['-c', 'rm -rf .singularity.d singularity environment .run .exec .test .shell'], {
        cwd: sandbox,
      });
      expect(
        contents(sandbox)
          .split('\n')
          .filter((line) => !isGenerated(line)),
      ).toEqual(contents(join(bundle, 'rootfs')).split('\n'));
      expect(Number(execFileSync('stat', ['-c', '%b', join(sandbox, 'sparse')], { encoding: 'utf8' }))).toBeLessThan(
        8192,
      );
    });
  });
});

/** What every image of ours has in addition. */
function isGenerated(line: string): boolean {
  return /^"?(.*\.\/)?(\.singularity\.d|singularity|environment|\.run|\.exec|\.test|\.shell|dev|etc|home|proc|root|sys|tmp|var)\b/.test(
    line,
  );
}
