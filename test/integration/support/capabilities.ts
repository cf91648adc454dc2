/** What a test needs of the machine, by name. A missing capability is a named skip, or a failure where it must be there. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, test } from 'vitest';

export const uid = process.getuid?.() ?? 0;
export const isRoot = uid === 0;

/** Each says what is missing, or nothing. Asked once. */
const probes = {
  root: () => (isRoot ? undefined : 'the tests do not run as root'),
  userns: () => (succeeds('unshare', ['-Ur', 'true']) ? undefined : 'unshare -Ur does not work'),
  subuid: () => missingProgram('newuidmap') ?? missingSubIds(),
  squashfs: () =>
    !isRoot
      ? 'the kernel mounts squashfs for root alone'
      : readText('/proc/filesystems').includes('squashfs') && existsSync('/dev/loop-control')
        ? undefined
        : 'the kernel has no squashfs or no loop devices',
  ext3: () =>
    readText('/proc/filesystems').includes('ext3') && existsSync('/dev/loop-control')
      ? undefined
      : 'the kernel has no ext3 or no loop devices',
  fuse: () => (canOpen('/dev/fuse') ? undefined : '/dev/fuse cannot be opened'),
  cgroups: () =>
    ['', 'memory', 'cpuacct', 'blkio'].some((name) => canOpen(`/sys/fs/cgroup/${name}/cgroup.procs`))
      ? undefined
      : 'no control groups can be made in /sys/fs/cgroup',
  squashfuse_ll: () => missingProgram('squashfuse_ll'),
  fusermount3: () => missingProgram('fusermount3'),
  fuse2fs: () => missingProgram('fuse2fs'),
  fuse_overlayfs: () => missingProgram('fuse-overlayfs'),
  mksquashfs: () => missingProgram('mksquashfs'),
  busybox: () => missingProgram('busybox'),
  mkfs_ext3: () =>
    existsSync('/usr/sbin/mkfs.ext3') && existsSync('/usr/sbin/debugfs')
      ? undefined
      : 'there is no mkfs.ext3 (e2fsprogs)',
  terminal: () => (existsSync('/dev/ptmx') ? missingProgram('g++') : 'there is no /dev/ptmx'),
  mmdebstrap: () => missingProgram('mmdebstrap'),
  debootstrap: () => missingProgram('debootstrap', SYSTEM_DIRECTORIES),
  npm: () => missingProgram('npm'),
  curl: () => missingProgram('curl'),
  pdftotext: () => missingProgram('pdftotext'),
  'docker-registry': () => missingProgram('docker-registry'),
  skopeo: () => missingProgram('skopeo'),
  umoci: () => missingProgram('umoci'),
  bsdtar: () => missingProgram('bsdtar'),
  getfattr: () => missingProgram('getfattr'),
  openssl: () => missingProgram('openssl'),
  bwrap: () => missingProgram('bwrap'),
  crun: () => missingProgram('crun'),
} satisfies Record<string, () => string | undefined>;

export type Capability = keyof typeof probes;

/** What an ext3 overlay in a user namespace needs. */
export const FUSE_OVERLAY = ['userns', 'fuse', 'squashfuse_ll', 'fuse2fs', 'fuse_overlayfs'] as const;

const answers = new Map<Capability, string | undefined>();

/** What this machine lacks of `names`: "fuse: /dev/fuse cannot be opened", or nothing. */
export function lacking(names: readonly Capability[]): string | undefined {
  for (const name of names) {
    if (!answers.has(name)) answers.set(name, probes[name]());
    const answer = answers.get(name);
    if (answer !== undefined) return `${name}: ${answer}`;
  }
  return undefined;
}

/**
 * `describe` for tests that need something of the machine. Where it is missing there is one skipped test that says what
 * is missing; with DAVIT_MUST_WORK set (continuous integration) that test fails.
 */
export function describeWith(names: readonly Capability[], title: string, body: () => void): void {
  const missing = lacking(names);
  if (missing === undefined) describe(title, body);
  else describe(title, () => missingTest(missing));
}

/** `test` for one that needs something of the machine; see describeWith. */
export function testWith(names: readonly Capability[], title: string, body: () => Promise<void> | void): void {
  const missing = lacking(names);
  if (missing === undefined) test(title, body);
  else missingTest(missing, title);
}

/** Root's claims: the run as a plain user has none of them, and the other way round. Neither counts as skipped. */
export function asRoot(body: () => void): void {
  if (isRoot) body();
}

export function asUser(body: () => void): void {
  if (!isRoot) body();
}

function missingTest(missing: string, title = ''): void {
  const words = `${title} (needs ${missing})`.trim();
  if (!process.env.DAVIT_MUST_WORK) test.skip(words);
  else
    test(words, () => {
      throw new Error(`this machine must be able: ${missing}`);
    });
}

/** Where root's programs are, which a user's PATH may lack. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/sbin'];

export function findProgram(name: string, more: readonly string[] = []): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), ...more]
    .map((directory) => join(directory, name))
    .find((path) => allowed(path, constants.X_OK));
}

function missingProgram(name: string, more: readonly string[] = []): string | undefined {
  return findProgram(name, more) === undefined ? `${name} is not on PATH` : undefined;
}

function missingSubIds(): string | undefined {
  const passwd = readText('/etc/passwd')
    .split('\n')
    .map((line) => line.split(':'));
  const name = passwd.find((fields) => fields[2] === String(uid))?.[0];
  const listed = (file: string): boolean =>
    readText(file)
      .split('\n')
      .some((line) => line.startsWith(`${name}:`) || line.startsWith(`${uid}:`));
  return listed('/etc/subuid') && listed('/etc/subgid') ? undefined : `no subordinate ids for ${name ?? uid}`;
}

function succeeds(command: string, args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function canOpen(path: string): boolean {
  return allowed(path, constants.R_OK | constants.W_OK);
}

function allowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
