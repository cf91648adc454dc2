import { closeSync, openSync, readSync } from 'node:fs';
import { resolveInRoot } from './root-path';

/** Programs that tell what a root directory is made for. */
const PROGRAMS = ['/bin/sh', '/bin/busybox', '/usr/bin/env', '/sbin/init'];
const ELF_MAGIC = '\x7fELF';
/** e_machine of elf(5) → GOARCH; [little endian, big endian] where both exist. */
const MACHINES: Record<number, string | [string, string]> = {
  3: '386',
  8: ['mipsle', 'mips'],
  21: ['ppc64le', 'ppc64'],
  22: 's390x',
  40: 'arm',
  62: 'amd64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};

/** GOARCH name of the programs in a root directory; `undefined` when it has none that is known. */
export function rootArch(rootfs: string): string | undefined {
  for (const program of PROGRAMS) {
    const arch = programArch(resolveInRoot(rootfs, program));
    if (arch !== undefined) return arch;
  }
  return undefined;
}

function programArch(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const head = Buffer.alloc(20);
    if (readSync(fd, head) < head.length || head.toString('latin1', 0, 4) !== ELF_MAGIC) return undefined;
    const isLittle = head[5] === 1;
    const machine = MACHINES[isLittle ? head.readUInt16LE(18) : head.readUInt16BE(18)];
    return Array.isArray(machine) ? machine[isLittle ? 0 : 1] : machine;
  } catch {
    return undefined; // a directory
  } finally {
    closeSync(fd);
  }
}
