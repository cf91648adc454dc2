import { join } from 'node:path';
import { readdirSync, readFileSync } from '../../observed-fs';

const BINFMT = '/proc/sys/fs/binfmt_misc';

/** GOARCH name of this machine, as SIF images name architectures. */
export function hostArch(): string {
  switch (process.arch as string) {
    case 'x64':
      return 'amd64';
    case 'ia32':
      return '386';
    case 'ppc64':
      return littleEndian() ? 'ppc64le' : 'ppc64';
    case 'mipsel':
      return 'mipsle';
    default:
      return process.arch;
  }
}

function littleEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
}

/** 32-bit programs that 64-bit machines run. */
const ALSO_RUNS: Record<string, string> = {
  amd64: '386',
  arm64: 'arm',
  ppc64: 'ppc',
  mips64: 'mips',
  mips64le: 'mipsle',
};

/** How QEMU's user mode emulators, and with them the entries in binfmt_misc, name what GOARCH names otherwise. */
const QEMU_NAMES: Record<string, string> = {
  '386': 'i386',
  amd64: 'x86_64',
  arm64: 'aarch64',
  loong64: 'loongarch64',
  mipsle: 'mipsel',
  mips64le: 'mips64el',
};

/**
 * Can this machine run programs of that architecture, by itself or through an emulator that the kernel holds open
 * (flag F of binfmt_misc: it works inside a container that does not have the emulator)?
 */
export function canRun(arch: string): boolean {
  const host = hostArch();
  return arch === host || ALSO_RUNS[host] === arch || emulated(QEMU_NAMES[arch] ?? arch);
}

function emulated(qemuName: string): boolean {
  try {
    return readdirSync(BINFMT)
      .filter((name) => name === `qemu-${qemuName}`)
      .map((name) => readFileSync(join(BINFMT, name), 'utf8'))
      .some((text) => text.startsWith('enabled') && /^flags:.*F/m.test(text));
  } catch {
    return false; // binfmt_misc is not mounted
  }
}
