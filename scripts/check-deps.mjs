// Says in one message, naming packages, what the build needs and this machine lacks.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { die, isMain, which } from './lib.mjs';

const minimalNode = [20, 17];

/** What `npm run build` needs. `test`: a program on PATH, or a header the compiler must find. */
const buildNeeds = [
  { what: 'a C++20 compiler (g++ 11 or newer)', program: ['g++', 'c++', 'clang++'], debian: 'g++', fedora: 'gcc-c++' },
  { what: 'CMake 3.18 or newer', program: ['cmake'], debian: 'cmake', fedora: 'cmake' },
  { what: 'make or ninja', program: ['make', 'ninja'], debian: 'make', fedora: 'make' },
  { what: 'the static C library', library: 'c', debian: 'libc6-dev', fedora: 'glibc-static libstdc++-static' },
  {
    what: 'libsquashfs',
    header: 'sqfs/super.h',
    library: 'squashfs',
    debian: 'libsquashfs-dev',
    fedora: 'squashfs-tools-ng-devel',
  },
  {
    what: 'libarchive',
    header: 'archive.h',
    library: 'archive',
    debian: 'libarchive-dev',
    fedora: 'libarchive-devel',
  },
  { what: 'libcrypto', header: 'openssl/sha.h', library: 'crypto', debian: 'libssl-dev', fedora: 'openssl-devel' },
  { what: 'libzstd', header: 'zstd.h', library: 'zstd', debian: 'libzstd-dev', fedora: 'libzstd-devel' },
  { what: 'liblz4', header: 'lz4.h', library: 'lz4', debian: 'liblz4-dev', fedora: 'lz4-devel' },
  { what: 'liblzma', header: 'lzma.h', library: 'lzma', debian: 'liblzma-dev', fedora: 'xz-devel' },
  { what: 'zlib', header: 'zlib.h', library: 'z', debian: 'zlib1g-dev', fedora: 'zlib-devel' },
];

/** What instances of a plain user need at run time; the build works without. */
const runNeeds = [
  {
    what: 'squashfuse_ll (images for plain users)',
    program: ['squashfuse_ll'],
    debian: 'squashfuse',
    fedora: 'squashfuse',
  },
  { what: 'newuidmap (--fakeroot with sub-ids)', program: ['newuidmap'], debian: 'uidmap', fedora: 'shadow-utils' },
];

/** What `npm test` looks at in addition. */
const testNeeds = [
  { what: 'mkfs.ext3 (overlay create)', program: ['mkfs.ext3'], debian: 'e2fsprogs', fedora: 'e2fsprogs' },
  {
    what: 'fuse2fs (ext3 overlays for plain users)',
    program: ['fuse2fs'],
    debian: 'fuse2fs',
    fedora: 'fuse2fs',
  },
  {
    what: 'fuse-overlayfs (ext3 overlays for plain users)',
    program: ['fuse-overlayfs'],
    debian: 'fuse-overlayfs',
    fedora: 'fuse-overlayfs',
  },
  { what: 'mksquashfs (test images)', program: ['mksquashfs'], debian: 'squashfs-tools', fedora: 'squashfs-tools' },
  {
    what: 'a static busybox (test images)',
    program: ['busybox'],
    isStatic: true,
    debian: 'busybox-static',
    fedora: 'busybox',
  },
  {
    what: 'mmdebstrap (the image with nginx)',
    program: ['mmdebstrap'],
    debian: 'mmdebstrap',
    fedora: 'mmdebstrap',
  },
  {
    what: 'ISA-L (gzip in half the time; the build takes it when it is there)',
    header: 'isa-l/igzip_lib.h',
    library: 'isal',
    debian: 'libisal-dev',
    fedora: 'isa-l-devel',
  },
  {
    what: 'docker-registry (images in registries)',
    program: ['docker-registry'],
    debian: 'docker-registry',
    fedora: 'docker-distribution',
  },
  { what: 'skopeo (images in registries)', program: ['skopeo'], debian: 'skopeo', fedora: 'skopeo' },
  { what: 'umoci (images for registries)', program: ['umoci'], debian: 'umoci', fedora: 'umoci' },
  { what: 'openssl (certificates of registries)', program: ['openssl'], debian: 'openssl', fedora: 'openssl' },
  { what: 'bsdtar (test images)', program: ['bsdtar'], debian: 'libarchive-tools', fedora: 'bsdtar' },
  { what: 'fusermount3 (a file system that hangs)', program: ['fusermount3'], debian: 'fuse3', fedora: 'fuse3' },
  { what: 'getfattr (test images)', program: ['getfattr'], debian: 'attr', fedora: 'attr' },
  { what: 'bwrap (measured beside davit)', program: ['bwrap'], debian: 'bubblewrap', fedora: 'bubblewrap' },
  { what: 'crun (measured beside davit)', program: ['crun'], debian: 'crun', fedora: 'crun' },
  { what: 'clang-format (lint)', program: ['clang-format'], debian: 'clang-format', fedora: 'clang-tools-extra' },
];

/**
 * What is missing on this machine.
 * @param purpose `build`, `run` (adds what plain users need at run time) or `test` (adds what tests need)
 * @returns entries `{ what, debian, fedora }`
 */
export function missingDependencies(purpose = 'build') {
  const needs = [...buildNeeds, ...(purpose === 'build' ? [] : runNeeds), ...(purpose === 'test' ? testNeeds : [])];
  const missing = needs.filter((need) => need.program && !need.program.some((name) => programFits(name, need)));
  const compiler = ['g++', 'c++', 'clang++'].find(which);
  const libraries = needs.filter((need) => need.header || need.library);
  // Without a compiler nothing can be asked; a machine that lacks it lacks the -dev packages too.
  if (!compiler) return [...missing, ...libraries];
  return [...missing, ...missingLibraries(compiler, libraries)];
}

/** The one command that installs the missing packages here, for messages. */
export function installCommand(missing) {
  const sudo = process.getuid() === 0 ? '' : 'sudo ';
  const list = (distribution) => [...new Set(missing.flatMap((need) => need[distribution].split(' ')))].join(' ');
  if (which('apt-get')) return `${sudo}apt-get install -y --no-install-recommends ${list('debian')}`;
  if (which('dnf')) return `${sudo}dnf install -y ${list('fedora')}`;
  return `install the counterparts of these Debian packages: ${list('debian')}`;
}

/** Ends the program when Node is older than the oldest that davit works with. */
export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < minimalNode[0] || (major === minimalNode[0] && minor < minimalNode[1])) {
    die(`Node ${process.versions.node} is too old`, `install Node ${minimalNode.join('.')} or newer`);
  }
}

/** Ends the program with one message that names everything missing, and the one command that installs it. */
export function requireDependencies(purpose = 'build') {
  requireNode();
  const missing = missingDependencies(purpose);
  if (missing.length === 0) return;
  die(`the build needs ${missing.map((need) => need.what).join(', ')}`, `run: ${installCommand(missing)}`);
}

/** True when the program is on PATH, and static where it must be: a static executable names no dynamic loader. */
function programFits(name, need) {
  const path = which(name);
  return path !== undefined && !(need.isStatic && readFileSync(path).subarray(0, 4096).includes('/ld-'));
}

/** One compiler run asks for all; only when it fails each library is asked for on its own. */
function missingLibraries(compiler, needs) {
  const directory = mkdtempSync(join(tmpdir(), 'davit-deps-'));
  try {
    if (!compiles(compiler, directory, [])) return [buildNeeds[0]];
    return compiles(compiler, directory, needs) ? [] : needs.filter((need) => !compiles(compiler, directory, [need]));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function compiles(compiler, directory, needs) {
  const source = join(directory, 'probe.cc');
  const headers = needs.filter((need) => need.header).map((need) => `#include <${need.header}>\n`);
  writeFileSync(
    source,
    `#include <cstddef>\n#include <cstdio>\n#include <cstdint>\n${headers.join('')}int main() { return 0; }\n`,
  );
  const libraries = needs.map((need) => (need.library === 'c' ? '-static' : `-l${need.library}`));
  const output = join(directory, 'probe');
  if (existsSync(output)) rmSync(output);
  // The static C library is asked for apart: not every distribution has the others as static archives.
  const shared = libraries.filter((flag) => flag !== '-static');
  const ok =
    spawnSync(compiler, ['-std=c++20', '-O0', source, '-o', output, ...shared], { stdio: 'ignore' }).status === 0;
  if (!ok || !libraries.includes('-static')) return ok;
  writeFileSync(source, 'int main() { return 0; }\n');
  return spawnSync(compiler, ['-static', source, '-o', output], { stdio: 'ignore' }).status === 0;
}

if (isMain(import.meta.url)) {
  requireDependencies(process.argv[2] ?? 'build');
  process.stdout.write('all build dependencies are here\n');
}
