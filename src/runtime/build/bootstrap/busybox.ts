/** A static busybox from a web server, with all its commands. */
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../../../errors';
import { prepareTree } from '../../../formats/container/compose';
import type { Stage } from '../../../formats/definition/definition';
import { applyEntries, placeFile } from '../rootfs/tree-files';
import { runInside } from '../sections/container-script';
import { exitWords } from '../sections/exit-words';
import type { BootstrapAgent } from './agent';
import { requiredHeader } from './header';

const ACCOUNTS: Record<string, string> = {
  'etc/passwd': 'root:!:0:0:root:/root:/bin/sh\n',
  'etc/group': 'root:x:0:\nbin:x:1:\ndaemon:x:2:\n',
};

/** Where the program is. @throws RuntimeError DEFINITION */
export function busyboxUrl(stage: Stage): string {
  const url = requiredHeader(stage, 'mirrorurl');
  if (/^https?:\/\//.test(url)) return url;
  throw new RuntimeError('DEFINITION', `busybox: "${url}" is no web address`, {
    path: 'mirrorurl',
    hint: 'MirrorURL is the address of the program itself',
  });
}

export const busybox: BootstrapAgent = {
  async fill(stage, rootfs, ctx) {
    const url = busyboxUrl(stage);
    if (!ctx.fetching) throw new RuntimeError('IMAGE_UNSUPPORTED', 'nothing can be fetched here', { path: url });
    const program = await ctx.fetching.toFile({ reference: url });
    mkdirSync(join(rootfs, 'bin'));
    copyFileSync(program, join(rootfs, 'bin/busybox'));
    chmodSync(join(rootfs, 'bin/busybox'), 0o755);
    applyEntries(rootfs, prepareTree([]));
    for (const [name, text] of Object.entries(ACCOUNTS)) placeFile(rootfs, name, text, 0o644);
    const command = ['/bin/busybox', '--install', '/bin'];
    const { exitStatus, signal } = await runInside(rootfs, { action: 'exec', command, cleanEnv: true }, ctx);
    if (exitStatus === 0) return { carried: {} };
    throw new RuntimeError('IMAGE_BUILD', `busybox --install: ${exitWords(exitStatus, signal)}`, {
      path: url,
      hint: 'is the file a busybox for this machine?',
    });
  },
};
