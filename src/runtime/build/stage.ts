/** One stage of a definition: the order in which things are done to its root directory. */
import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, RuntimeError } from '../../errors';
import { type ComposeFacts, finishTree, prepareTree } from '../../formats/container/compose';
import { appInstallScript, isWanted, type Recipe } from '../../formats/container/recipe';
import type { Script, Stage } from '../../formats/definition/definition';
import { headerValue } from '../../formats/definition/definition';
import type { BaseImage } from './bootstrap/agent';
import { inHeader } from './bootstrap/header';
import { bootstrapAgent } from './bootstrap/index';
import type { BuildContext } from './bundle/context';
import { detachMounts } from './rootfs/mounts-below';
import { applyEntries, listTree, placeFile, takeFile } from './rootfs/tree-files';
import { checkShell, runInside } from './sections/container-script';
import { exitWords } from './sections/exit-words';
import { copyAppFiles, copyFromHost, copyFromStage } from './sections/files';
import { runHostScript } from './sections/host-script';
import { sectionCommand } from './sections/section-args';
import { LABELS_FILE } from './sections/section-plan';

const POST_SCRIPT = '.post.script';

export interface StageRequest {
  stage: Stage;
  /** Text of the whole definition. */
  text: string;
  /** Empty directory. */
  rootfs: string;
  /** Host path of the root of an earlier stage, by its name; `undefined` for one that is not there. */
  rootOf: (name: string) => string | undefined;
  /** Fills the root in the place of the stage's bootstrap agent: `--update`. */
  fill?: () => Promise<BaseImage>;
  facts: (base: BaseImage) => ComposeFacts;
}

/**
 * Does everything that a stage says, in the order of formats.md 6.2.
 * @throws RuntimeError IMAGE_BUILD and what the parts throw
 */
export async function buildStage(request: StageRequest, ctx: BuildContext): Promise<BaseImage> {
  const { stage, rootfs } = request;
  const { pre, setup, post } = stage.scripts;
  const wanted = (name: string): boolean => isWanted(ctx.options.sections, name);
  if (pre && wanted('pre')) await runHostScript('pre', pre, rootfs, ctx);
  const base = await fillRoot(request, ctx);
  ctx.interruption.check();
  detachMounts(rootfs); // of the programs that filled it
  if (ctx.options.fixPerms) fixPermissions(rootfs);
  applyEntries(rootfs, prepareTree(listTree(rootfs), stage));
  for (const app of stage.apps) await copyAppFiles(app, rootfs, ctx);
  if (wanted('files')) await copyStageFiles(request, ctx);
  if (setup && wanted('setup')) await runHostScript('setup', setup, rootfs, ctx);
  if (wanted('files')) for (const section of stage.files) if (!section.from) await copyFromHost(section, rootfs, ctx);
  if (wanted('post')) await runPost(post, request, ctx);
  finish(request, base, ctx);
  if (wanted('test') && stage.scripts.test && !ctx.options.notest) await runTest(rootfs, ctx);
  return base;
}

async function fillRoot({ stage, rootfs, fill }: StageRequest, ctx: BuildContext): Promise<BaseImage> {
  try {
    return await (fill ? fill() : (await bootstrapAgent(stage)).fill(stage, rootfs, ctx));
  } catch (error) {
    throw prefixed(inHeader(error, ctx.options.source, stage), 'conveyor failed to get: ');
  }
}

async function copyStageFiles({ stage, rootfs, rootOf }: StageRequest, ctx: BuildContext): Promise<void> {
  for (const section of stage.files) {
    if (section.from === undefined) continue;
    const from = rootOf(section.from);
    if (from === undefined) {
      const place = `${ctx.options.source}:${section.line}`;
      const text = `unable to copy files from stage to container fs: ${place}: stage ${section.from} was not found`;
      throw new RuntimeError('DEFINITION', text, { hint: 'an earlier stage has to have a line "Stage: NAME"' });
    }
    await copyFromStage(section, from, rootfs, ctx);
  }
}

/** %post and what installs the apps, as one script. */
async function runPost(post: Script | undefined, { stage, rootfs }: StageRequest, ctx: BuildContext): Promise<void> {
  const text = (post?.text ?? '') + appInstallScript(stage);
  if (text.trim() === '') return;
  const command = inEngine(() => sectionCommand('post', post ?? { args: '', text, line: 0 }, `/${POST_SCRIPT}`));
  ctx.onInfo('Running post scriptlet');
  checkShell(rootfs, 'post');
  placeFile(rootfs, POST_SCRIPT, text, 0o755);
  let end: { exitStatus: number; signal?: number };
  try {
    end = await runInside(rootfs, { action: 'exec', command, cleanEnv: true }, ctx);
  } catch (error) {
    throw prefixed(error, 'while running engine: while running %post section: ');
  } finally {
    takeFile(rootfs, POST_SCRIPT);
  }
  if (end.exitStatus === 0) return;
  const how = exitWords(end.exitStatus, end.signal);
  throw new RuntimeError('IMAGE_BUILD', `while running engine: while running %post section: ${how}`);
}

function inEngine<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw prefixed(error, 'while running engine: ');
  }
}

/** The files that describe the image; they see what the sections have made. */
function finish({ stage, text, rootfs, facts }: StageRequest, base: BaseImage, ctx: BuildContext): void {
  const { sections, force } = ctx.options;
  announceSections(stage, sections, ctx.onInfo);
  const fileLabels = takeFile(rootfs, LABELS_FILE);
  const recipe: Recipe = { text, stage, sections, force: force ?? false, fileLabels };
  const { entries, warnings } = finishTree(listTree(rootfs), facts(base), recipe);
  for (const warning of warnings) ctx.onWarning(warning);
  applyEntries(rootfs, entries);
}

/** Says which sections are put into the image. */
export function announceSections(
  { scripts, labels }: Stage,
  sections: string[] | undefined,
  onInfo: (text: string) => void,
): void {
  const said: [string, boolean, string][] = [
    ['help', scripts.help !== undefined, 'Adding help info'],
    ['labels', labels.length > 0, 'Adding labels'],
    ['environment', scripts.environment !== undefined, 'Adding environment to container'],
    ['startscript', scripts.startscript !== undefined, 'Adding startscript'],
    ['runscript', scripts.runscript !== undefined, 'Adding runscript'],
    ['test', scripts.test !== undefined, 'Adding testscript'],
  ];
  for (const [name, present, words] of said) if (present && isWanted(sections, name)) onInfo(words);
}

async function runTest(rootfs: string, ctx: BuildContext): Promise<void> {
  ctx.onInfo('Running testscript');
  const writableTmpfs = ctx.options.writableTmpfs ?? false;
  const inside = { action: 'test' as const, command: [], cleanEnv: false, writableTmpfs };
  const { exitStatus, signal } = await runInside(rootfs, inside, ctx).catch((error: unknown) => {
    throw prefixed(error, 'failed to execute %test script: ');
  });
  if (exitStatus === 0) return;
  throw new RuntimeError('IMAGE_BUILD', `failed to execute %test script: ${exitWords(exitStatus, signal)}`);
}

/** `--fix-perms`: the owner may read and write everything, and enter every directory. */
function fixPermissions(path: string): void {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return;
  const needed = stat.isDirectory() ? 0o700 : 0o600;
  if ((stat.mode & needed) !== needed) chmodSync(path, (stat.mode & 0o7777) | needed);
  if (stat.isDirectory()) for (const name of readdirSync(path)) fixPermissions(join(path, name));
}

/** Puts what was being done in front of an error, once. */
function prefixed(error: unknown, context: string): unknown {
  if (!(error instanceof RuntimeError)) {
    const errno = errnoOf(error);
    if (errno === undefined) return error;
    return new RuntimeError('IMAGE_BUILD', `${context}${(error as Error).message}`, { errno, cause: error });
  }
  const { code, message, errno, path, hint, step } = error;
  // Interruptions and mistakes in the definition speak for themselves.
  if (code === 'DEFINITION' && context.startsWith('conveyor')) return error;
  return new RuntimeError(code, `${context}${message}`, { errno, path, hint, step, cause: error });
}

/** Name of a stage, for `%files from`. */
export function stageName(stage: Stage): string {
  return headerValue(stage, 'stage');
}
