/** Builds from a definition file. */
import { RuntimeError } from '../../errors';
import { appInstallScript, isWanted, type Recipe } from '../../formats/container/recipe';
import { type Definition, headerOf, headerValue, type Stage } from '../../formats/definition/definition';
import { inspectImage } from '../image/open';
import { unsupportedUri } from '../image/uri';
import { carriedObjects } from './bootstrap/carried';
import { fetched, isConverted, localSource, verifyFetched } from './bootstrap/from-uri';
import { inHeader } from './bootstrap/header';
import { imageDateS } from './bootstrap/image-date';
import { bootstrapAgent } from './bootstrap/index';
import { fingerprintsOf, unsignable, verifyBase } from './bootstrap/verify-base';
import type { Build } from './bundle/context';
import type { Wanted } from './bundle/fetching';
import { performing } from './bundle/performing';
import { rightsOf } from './bundle/rights';
import { replaceTarget } from './bundle/target';
import { packSif } from './packing/pack';
import { buildTimes } from './packing/times';
import type { Specification } from './specification';
import { Bundle } from './bundle/bundle';
import { announceSections } from './stage';
import { buildStages } from './stages';

/**
 * A definition that only describes its base is built without a root directory: the base goes straight into the new
 * image. Otherwise the stages are built in a temporary directory, by another process: in a mount namespace, where
 * mounts of sections end with it, and for a plain user in a user namespace.
 * @throws RuntimeError IMAGE_BUILD, DEFINITION and what the parts throw
 */
export async function buildFromDefinition(definition: Definition, build: Build): Promise<void> {
  await checkAgents(definition);
  build.onInfo('Starting build...');
  if (needsNoRoot(definition, build)) {
    await performing(describeBase(definition, build));
    return;
  }
  const rights = rightsOf(build);
  if (rights.kind === 'namespace') {
    const bundle = Bundle.make(build.options, build.env, build.interruption);
    for (const directory of bundle.abandoned) new Bundle(directory).remove();
    await performing(buildStages(definition, build, rights, bundle));
    return;
  }
  const { buildInside } = await import('./namespace-build');
  await buildInside(definition, build, rights);
}

/** A definition that says of an image or a URI nothing but that it is the base. */
export function describing(source: string, specification: Exclude<Specification, { kind: 'definition' }>): Definition {
  const [bootstrap, from] =
    specification.kind === 'image'
      ? ['localimage', source]
      : [specification.scheme, source.slice(specification.scheme.length + 1).replace(/^\/\//, '')];
  const header = new Map([
    ['bootstrap', { value: bootstrap, line: 1 }],
    ['from', { value: from, line: 2 }],
  ]);
  const stage: Stage = { header, line: 1, scripts: {}, files: [], labels: [], apps: [] };
  return { name: source, text: `bootstrap: ${bootstrap}\nfrom: ${from}\n\n`, stages: [stage] };
}

async function checkAgents({ name, stages }: Definition): Promise<void> {
  for (const stage of stages) {
    try {
      await bootstrapAgent(stage);
      localSource(stage);
    } catch (cause) {
      const error = inHeader(cause, name, stage);
      if (!(error instanceof RuntimeError)) throw error;
      const { code, message, hint, path } = error;
      throw new RuntimeError(code, `Unable to create build: ${message}`, { hint, path });
    }
  }
}

/** One stage on top of an image, without anything to run or to copy, into a SIF. */
function needsNoRoot({ stages }: Definition, { options }: Build): boolean {
  const [stage] = stages;
  if (!stage || stages.length > 1 || options.sandbox || options.fixPerms) return false;
  const { pre, setup, post, test } = stage.scripts;
  const runs: [string, boolean][] = [
    ['pre', pre !== undefined],
    ['setup', setup !== undefined],
    ['post', post !== undefined || appInstallScript(stage) !== ''],
    ['files', stage.files.length > 0],
    ['test', test !== undefined && !options.notest],
  ];
  if (runs.some(([name, present]) => present && isWanted(options.sections, name))) return false;
  return localSource(stage) !== undefined && stage.apps.every(({ files }) => files.length === 0);
}

async function describeBase(definition: Definition, build: Build): Promise<void> {
  const { text } = definition;
  const stage = definition.stages[0] as Stage;
  const { options, env, interruption, onInfo, onWarning, onProgress } = build;
  const recipe: Recipe = { text, stage, sections: options.sections, force: options.force ?? false };
  const origin = localSource(stage);
  const fingerprints = fingerprintsOf(stage);
  if (origin?.kind === 'uri' && isConverted(origin.reference)) {
    if (fingerprints.length > 0) throw unsignable(origin.reference);
    await convertBase(origin, recipe, build);
    return;
  }
  const path = await sourceFile(stage, build);
  const inspected = inspectImage(path);
  if (origin?.kind === 'uri') await verifyFetched(origin, path, fingerprints, build);
  else await verifyBase(inspected, headerValue(stage, 'from'), fingerprints, build);
  onInfo('Extracting local image...');
  announceSections(stage, options.sections, onInfo);
  onInfo('Creating SIF file...');
  const { image, sif } = inspected;
  const { squashfs } = image;
  const request = {
    source: squashfs
      ? { kind: 'squashfs' as const, path, ...squashfs }
      : { kind: 'directory' as const, path: image.path },
    allRoot: process.geteuid?.() !== 0,
    from: headerValue(stage, 'from'),
    header: headerOf(stage),
    arch: image.arch,
    carried: sif ? carriedObjects(image.path, sif.descriptors) : {},
    recipe,
    times: buildTimes(options, env, imageDateS(inspected)),
  };
  const notes = await replaceTarget(
    options.target,
    (temporary) => packSif(request, temporary, options, onProgress),
    interruption,
  );
  for (const note of notes) onWarning(note);
}

/** From the layers into the new image, with what the definition adds. */
async function convertBase(wanted: Wanted, recipe: Recipe, { fetching, options, interruption, onInfo }: Build) {
  if (!fetching) throw unsupportedUri(wanted.reference.slice(0, wanted.reference.indexOf(':')), wanted.reference);
  const onFetched = (): void => announceSections(recipe.stage, options.sections, onInfo);
  const additions = { recipe, header: headerOf(recipe.stage), onFetched };
  await replaceTarget(options.target, (temporary) => fetching.toTarget(wanted, temporary, additions), interruption);
}

/** The image behind a stage that begins with one, as a file or directory here. */
async function sourceFile(stage: Stage, { fetching }: Pick<Build, 'fetching'>): Promise<string> {
  const source = localSource(stage);
  if (source === undefined) throw new RuntimeError('INTERNAL', 'a stage without an image');
  return source.kind === 'file' ? source.path : await fetched(source, fetching);
}
