/** %post, %test and helpers of bootstrap agents: inside the root that is being built. */
import { lstatSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { RuntimeError } from '../../../errors';
import { native } from '../../../native';
import { spawnPlan } from '../../instance/spawn';
import type { BuildContext } from '../bundle/context';
import { makeDirectoryInRoot, resolveInRoot } from '../rootfs/root-path';
import { signalTree } from './process-tree';
import { compileSection, LABELS_FILE, type SectionRequest } from './section-plan';

const NETWORK_FILES = ['/etc/resolv.conf', '/etc/hosts'];

export interface InsideOptions {
  action: SectionRequest['action'];
  command: string[];
  cleanEnv: boolean;
  writableTmpfs?: boolean;
}

/**
 * Runs a command in a root directory.
 * @returns how it ended
 * @throws RuntimeError LAUNCH_STEP, BIND; IMAGE_BUILD when it was interrupted
 */
export async function runInside(
  rootfs: string,
  { action, command, cleanEnv, writableTmpfs = false }: InsideOptions,
  ctx: BuildContext,
): Promise<{ exitStatus: number; signal?: number }> {
  const { options, caller, interruption, bundle, inUserNamespace, fakeroot } = ctx;
  const labels = `/${LABELS_FILE}`;
  const plan = compileSection({
    action,
    command,
    rootfs,
    tmp: bundle.tmp,
    varTmp: bundle.varTmp,
    cleanEnv,
    variables: { DAVIT_LABELS: labels, APPTAINER_LABELS: labels, SINGULARITY_LABELS: labels },
    binds: options.bind ?? [],
    mounts: options.mount ?? [],
    writableTmpfs,
    inUserNamespace,
    fakeroot,
    caller,
    messageLevel: options.messageLevel ?? 1,
    color: options.color ?? false,
  });
  const restore = makeMountPoints(rootfs);
  let pid = 0;
  const end = spawnPlan(plan, native(), {
    env: caller.env,
    stdio: [-1, 1, 2],
    parentDeathSignal: constants.signals.SIGKILL,
    onStart: (started) => {
      pid = started;
    },
  });
  try {
    return await interruption.during({ kill: (signal) => signalTree(pid, signal) }, end);
  } finally {
    restore();
  }
}

/**
 * Name resolution is mounted over files of the image. Where it has none, or a link that leads nowhere, there is an empty
 * file meanwhile.
 * @returns a function that takes them away again, unless the section has made something of them
 */
function makeMountPoints(rootfs: string): () => void {
  const undo = NETWORK_FILES.map((path) => {
    const host = resolveInRoot(rootfs, path, { keepLast: true });
    const stat = lstatSync(host, { throwIfNoEntry: false });
    const exists = lstatSync(resolveInRoot(rootfs, path), { throwIfNoEntry: false }) !== undefined;
    if (exists) return () => undefined;
    const link = stat?.isSymbolicLink() ? readlinkSync(host) : undefined;
    makeDirectoryInRoot(rootfs, dirname(path));
    rmSync(host, { force: true });
    writeFileSync(host, '', { flag: 'wx', mode: 0o644 });
    return () => {
      const now = lstatSync(host, { throwIfNoEntry: false });
      if (link === undefined || !now?.isFile() || now.size > 0) return;
      rmSync(host);
      symlinkSync(link, host);
    };
  });
  return () => {
    for (const one of undo) one();
  };
}

/** @throws RuntimeError IMAGE_BUILD when the root has no shell to run a section with */
export function checkShell(rootfs: string, section: string): void {
  if (lstatSync(resolveInRoot(rootfs, '/bin/sh'), { throwIfNoEntry: false })) return;
  throw new RuntimeError('IMAGE_BUILD', `run %${section}: the image has no /bin/sh`, {
    path: '/bin/sh',
    hint: 'build from an image with a shell, or put one into it with %files',
  });
}
