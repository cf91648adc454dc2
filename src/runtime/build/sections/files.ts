/** %files and %appfiles: from the host or from an earlier stage into the root that is being built. */
import { basename, dirname, resolve } from 'node:path';
import { RuntimeError } from '../../../errors';
import type { AppDefinition, FileCopy, FilesSection } from '../../../formats/definition/definition';
import type { BuildContext } from '../bundle/context';
import { copyInto, destinationOf } from '../rootfs/copy-tree';
import { makeDirectoryInRoot, resolveInRoot } from '../rootfs/root-path';
import { exitWords } from './exit-words';
import { expandPattern, expandVariables } from './glob';
import { runProgram } from './host-script';

/** Copies the files of a section from the host; links are followed. @throws RuntimeError IMAGE_BUILD */
export async function copyFromHost({ copies }: FilesSection, rootfs: string, ctx: BuildContext): Promise<void> {
  for (const copy of copies) {
    ctx.onInfo(`Copying ${shown(copy.source)} to ${copy.target}`);
    await copyHostFiles(copy, copy.target, rootfs, ctx, 'unable to copy files from host to container fs');
  }
}

async function copyHostFiles(
  { source, line }: FileCopy,
  target: string,
  rootfs: string,
  ctx: BuildContext,
  context: string,
): Promise<void> {
  const { caller, interruption, bundle } = ctx;
  const locate = (path: string): string => resolve(caller.cwd, path);
  const rules = { followLinks: true, check: () => interruption.check(), exclude: bundle.directory };
  try {
    for (const path of expandPattern(expandVariables(source, caller.env), { locate })) {
      const place = targetInRoot(rootfs, target === '' ? path.replace(/\/+$/, '') : target);
      await copyInto(locate(path), place, rules, basename(path));
    }
  } catch (error) {
    throw inContext(error, `${context}: ${ctx.options.source}:${line}`);
  }
}

/**
 * Copies from the root of an earlier stage: owners, modes, dates and hard links stay as they are there. Of symbolic
 * links only those that are named are followed, within that root.
 * @throws RuntimeError IMAGE_BUILD
 */
export async function copyFromStage(
  { copies }: FilesSection,
  from: string,
  rootfs: string,
  ctx: BuildContext,
): Promise<void> {
  const locate = (path: string): string => resolveInRoot(from, path);
  for (const { source, target, line } of copies) {
    ctx.onInfo(`Copying ${shown(source)} to ${target}`);
    try {
      for (const path of expandPattern(source, { locate })) {
        const place = targetInRoot(rootfs, target === '' ? path.replace(/\/+$/, '') : target);
        await copyFaithfully(locate(path), destinationOf(place, basename(path)), ctx);
      }
    } catch (error) {
      throw inContext(error, `unable to copy files from stage to container fs: ${ctx.options.source}:${line}`);
    }
  }
}

/** cp(1) knows about owners, links, holes and attributes; it follows no link that is at the destination. */
async function copyFaithfully(source: string, target: string, ctx: BuildContext): Promise<void> {
  const args = ['-a', '-T', '--remove-destination', '--', source, target];
  const { exitStatus, signal } = await runProgram('cp', args, { ...ctx.caller.env, LC_ALL: 'C' }, ctx);
  if (exitStatus === 0) return;
  throw new RuntimeError('IMAGE_BUILD', `copy "${source}" to "${target}": cp: ${exitWords(exitStatus, signal)}`);
}

/** %appfiles: targets are relative to the app's directory. @throws RuntimeError IMAGE_BUILD */
export async function copyAppFiles({ name, files }: AppDefinition, rootfs: string, ctx: BuildContext): Promise<void> {
  for (const copy of files) {
    const root = `/scif/apps/${name}`;
    // A target that leads out of the app's directory ends at its edge.
    const inside = resolve('/', copy.target === '' ? plainSource(copy, ctx) : copy.target);
    const target = `${root}${inside}${copy.target.endsWith('/') ? '/' : ''}`;
    await copyHostFiles(copy, target, rootfs, ctx, `unable to copy files of the app ${name}`);
  }
}

function plainSource({ source }: FileCopy, { caller }: BuildContext): string {
  return expandPattern(expandVariables(source, caller.env), { locate: (path) => path })[0] ?? '';
}

/** The host path of a target, its parents made. A target that ends in `/` is a directory, and made as well. */
function targetInRoot(rootfs: string, target: string): string {
  if (target.endsWith('/')) return makeDirectoryInRoot(rootfs, target);
  makeDirectoryInRoot(rootfs, dirname(target));
  return resolveInRoot(rootfs, target);
}

function shown(source: string): string {
  return source.replace(/\\(.)/g, '$1');
}

function inContext(error: unknown, context: string): unknown {
  if (error instanceof RuntimeError) {
    const { code, message, errno, path, hint } = error;
    return new RuntimeError(code, `${context}: ${message}`, { errno, path, hint, cause: error });
  }
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string') return error;
  return new RuntimeError('IMAGE_BUILD', `${context}: ${syscall} "${path}": ${code}`, {
    errno: code,
    path,
    cause: error,
  });
}
