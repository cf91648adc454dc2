/** Arch Linux, by pacstrap(8). */
import { RuntimeError } from '../../../errors';
import { headerValue } from '../../../formats/definition/definition';
import { hostArch } from '../../image/arch';
import type { Fetching } from '../bundle/fetching';
import { requireHostProgram } from '../sections/host-program';
import type { BootstrapAgent } from './agent';
import { runHostProgram, wordsOf } from './run-host-program';

const INSTALL =
  'install it: "pacman -S arch-install-scripts" or "apt install arch-install-scripts pacman-package-manager"';
/** A system without kernel, firmware and file system tools. */
const BASE = [
  'bash',
  'coreutils',
  'filesystem',
  'glibc',
  'pacman',
  'shadow',
  'util-linux',
  'sed',
  'grep',
  'gawk',
  'tar',
];

export const arch: BootstrapAgent = {
  async fill(stage, rootfs, ctx) {
    const machine = ctx.options.arch ?? hostArch();
    if (machine !== 'amd64') {
      throw new RuntimeError('IMAGE_UNSUPPORTED', `bootstrap agent arch: there is no Arch Linux for ${machine}`);
    }
    const program = requireHostProgram(['pacstrap'], ctx.caller.env, INSTALL);
    const url = headerValue(stage, 'confurl');
    const configuration = url === '' ? [] : ['-C', await configurationFile(url, ctx.fetching)];
    const packages = [...BASE, ...wordsOf(headerValue(stage, 'include'))];
    // -c: the host's package cache; -G, -M: neither its keyring nor its mirror list.
    await runHostProgram(program, [...configuration, '-c', '-G', '-M', rootfs, ...packages], ctx);
    return { carried: {}, arch: machine };
  },
};

/** ConfURL is an address, or a file here. */
async function configurationFile(url: string, fetching: Pick<Fetching, 'toFile'> | undefined): Promise<string> {
  if (!/^https?:\/\//.test(url)) return url.replace(/^file:\/\//, '');
  if (!fetching) throw new RuntimeError('IMAGE_UNSUPPORTED', 'nothing can be fetched here', { path: url });
  return await fetching.toFile({ reference: url });
}
