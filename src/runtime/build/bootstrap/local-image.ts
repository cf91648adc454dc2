/** A SIF, a squashfs file or a sandbox directory of this machine. */
import { lchownSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeError } from '../../../errors';
import { imageAddonPath, runTask } from '../../../workers/pool';
import type { UnpackSandboxTask } from '../../../workers/unpack-sandbox';
import { type InspectedImage, inspectImage } from '../../image/open';
import type { BuildContext } from '../bundle/context';
import { exitWords } from '../sections/exit-words';
import { runProgram } from '../sections/host-script';
import type { BaseImage, BootstrapAgent } from './agent';
import { carriedObjects } from './carried';
import { requiredHeader } from './header';
import { imageDateS } from './image-date';
import { fingerprintsOf, verifyBase } from './verify-base';

export const localImage: BootstrapAgent = {
  async fill(stage, rootfs, ctx) {
    const from = requiredHeader(stage, 'from');
    await verifyBase(inspectImage(from), from, fingerprintsOf(stage), { ...ctx, env: ctx.caller.env });
    return await fillFromImage(from, rootfs, ctx);
  },
};

/** Unpacks or copies an image into an empty root directory. @throws RuntimeError IMAGE_* */
export async function fillFromImage(from: string, rootfs: string, ctx: BuildContext): Promise<BaseImage> {
  const inspected = inspectImage(from);
  const { image, sif } = inspected;
  ctx.onInfo('Extracting local image...');
  if (image.squashfs) await unpack(inspected, rootfs, ctx);
  else await copySandbox(image.path, rootfs, ctx);
  return {
    carried: sif ? carriedObjects(image.path, sif.descriptors) : {},
    arch: image.arch,
    createdS: imageDateS(inspected),
  };
}

async function unpack({ image }: InspectedImage, rootfs: string, { onWarning }: BuildContext): Promise<void> {
  const { path, squashfs } = image;
  const { offsetBytes, sizeBytes } = squashfs as NonNullable<typeof squashfs>;
  const task: UnpackSandboxTask = {
    addonPath: imageAddonPath(),
    image: { path, offsetBytes, sizeBytes },
    directory: rootfs,
    faithful: process.geteuid?.() === 0,
  };
  for (const note of await runTask<UnpackSandboxTask, string[]>('unpack-sandbox', task)) onWarning(note);
}

/** Owners, links, holes and attributes: cp(1) knows them all. */
async function copySandbox(source: string, rootfs: string, ctx: BuildContext): Promise<void> {
  const owners = mapsOneId() ? ['--no-preserve=ownership'] : [];
  const args = ['-a', '--reflink=auto', ...owners, '--', `${source}/.`, rootfs];
  const { exitStatus, signal } = await runProgram('cp', args, { ...ctx.caller.env, LC_ALL: 'C' }, ctx);
  if (exitStatus !== 0) {
    throw new RuntimeError('IMAGE_BUILD', `copy the sandbox "${source}": cp: ${exitWords(exitStatus, signal)}`, {
      path: source,
    });
  }
  if (ctx.inUserNamespace) ownUnmapped(rootfs);
}

/** In a namespace with one id every file is root's, whoever owned it. */
function mapsOneId(): boolean {
  return /^\s*0\s+\d+\s+1\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
}

/** What the kernel shows for ids that the namespace does not map (user_namespaces(7)). */
const OVERFLOW_ID = 65534;

/** Files of the host's root are nobody's in a user namespace; in an image they belong to its root. */
function ownUnmapped(path: string): void {
  const stat = lstatSync(path);
  if (stat.uid === OVERFLOW_ID || stat.gid === OVERFLOW_ID) {
    lchownSync(path, stat.uid === OVERFLOW_ID ? 0 : stat.uid, stat.gid === OVERFLOW_ID ? 0 : stat.gid);
  }
  if (stat.isDirectory()) for (const name of readdirSync(path)) ownUnmapped(join(path, name));
}
