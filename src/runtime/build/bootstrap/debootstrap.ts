/** Debian and Ubuntu, by debootstrap(8). */
import { headerValue } from '../../../formats/definition/definition';
import { hostArch } from '../../image/arch';
import { requireHostProgram } from '../sections/host-program';
import type { BootstrapAgent } from './agent';
import { requiredHeader } from './header';
import { runHostProgram, wordsOf } from './run-host-program';

/** What a container does not need; the rest of a minimal system is the distribution's choice. */
const EXCLUDED = ['openssl', 'udev', 'debconf-i18n', 'e2fsprogs'];

/** Debian's names of GOARCH architectures, where they differ. */
const ARCHITECTURES: Record<string, string> = {
  '386': 'i386',
  arm: 'armhf',
  ppc64le: 'ppc64el',
  mipsle: 'mipsel',
  mips64le: 'mips64el',
  loong64: 'loong64',
};

export const debootstrap: BootstrapAgent = {
  async fill(stage, rootfs, ctx) {
    const mirror = requiredHeader(stage, 'mirrorurl');
    const suite = requiredHeader(stage, 'osversion');
    const program = requireHostProgram(['debootstrap'], ctx.caller.env, INSTALL);
    const arch = ctx.options.arch ?? hostArch();
    const included = wordsOf(headerValue(stage, 'include'));
    const args = [
      '--variant=minbase',
      `--exclude=${EXCLUDED.filter((name) => !included.includes(name)).join(',')}`,
      `--include=${['apt', ...included].join(',')}`,
      `--arch=${ARCHITECTURES[arch] ?? arch}`,
      suite,
      rootfs,
      mirror.replaceAll('%{OSVERSION}', suite),
    ];
    // Root of a user namespace cannot make devices: debootstrap binds the host's where it believes to be in LXC.
    await runHostProgram(program, args, ctx, ctx.inUserNamespace ? { container: 'lxc' } : {});
    return { carried: {}, arch };
  },
};

const INSTALL = 'install it: "apt install debootstrap", "dnf install debootstrap" or "zypper install debootstrap"';
