/** `davit build`: what the specification is, and which way leads from it to an image. */
import type { OnProgress } from '../image/source/progress';
import { imageScheme } from '../image/uri';
import { readCaller } from '../launch/caller';
import type { Build } from './bundle/context';
import type { Fetching } from './bundle/fetching';
import { Interruption } from './bundle/interruption';
import type { BuildOptions } from './bundle/options';
import { checkTarget, checkUpdate } from './bundle/target';
import { parseCompression } from './packing/compression';
import { readSpecification, type Specification } from './specification';

export interface BuildRequest extends BuildOptions {
  /** The caller's environment; `process.env` when absent. */
  env?: Readonly<Record<string, string | undefined>>;
  /** How images behind URIs are fetched; without it they are refused. */
  fetching?: Fetching;
  /** Progress, in the words of the command line. */
  onInfo?: (text: string) => void;
  /** Something was left out of the image. */
  onWarning?: (text: string) => void;
  onVerbose?: (text: string) => void;
  /** How far packing has come. */
  onProgress?: OnProgress;
}

const nothing = (): void => undefined;

/**
 * Builds an image. Under the target's name there is the complete new image, or what was there before.
 * @throws RuntimeError IMAGE_BUILD, DEFINITION, OPTION, and what inspectImage throws about the source
 */
export async function buildImage(request: BuildRequest): Promise<void> {
  const { env = process.env, fetching, onInfo = nothing, onWarning = nothing, onVerbose = nothing } = request;
  const { target, source, onProgress = nothing } = request;
  const options = plainOptions(request);
  parseCompression(options.compression);
  checkUpdate(options);
  checkTarget(target, (options.force || options.update) ?? false, imageScheme(source) ? undefined : source);
  const specification = readSpecification(options, onWarning);
  const interruption = new Interruption();
  const say = { onInfo, onWarning, onVerbose, onProgress };
  const build: Build = { options, env, caller: readCaller(env), fetching, interruption, ...say };
  await interruption.guard(async () => {
    await buildFrom(specification, build);
    onInfo(`Build complete: ${target}`);
  });
}

async function buildFrom(specification: Specification, build: Build): Promise<void> {
  if (specification.kind === 'definition' || copiesTree(specification, build) || needsRoot(build)) {
    const { buildFromDefinition, describing } = await import('./definition-build');
    const definition =
      specification.kind === 'definition' ? specification.definition : describing(build.options.source, specification);
    await buildFromDefinition(definition, build);
    return;
  }
  const { buildFromImage, buildFromUri } = await import('./image-build');
  if (specification.kind === 'image') await buildFromImage(specification, build);
  else await buildFromUri(specification, build);
}

/** A directory becomes another directory. */
function copiesTree(specification: Specification, { options }: Build): boolean {
  const inspected = specification.kind === 'image' ? specification.inspected : undefined;
  return (options.sandbox ?? false) && inspected?.image.kind === 'sandbox';
}

/** Modes of files change, or owners that a plain user cannot give. */
function needsRoot({ options, caller }: Build): boolean {
  const { fixPerms, fakeroot, sandbox } = options;
  return (fixPerms ?? false) || ((fakeroot ?? false) && (sandbox ?? false) && !caller.privileged);
}

/** The part of a request that is plain data. */
function plainOptions({
  env,
  fetching,
  onInfo,
  onWarning,
  onVerbose,
  onProgress,
  ...options
}: BuildRequest): BuildOptions {
  return options;
}
