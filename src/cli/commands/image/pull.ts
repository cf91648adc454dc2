/** `davit pull`: an image from anywhere, as a file or a sandbox. */
import { lstatSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RuntimeError } from '../../../errors';
import { replaceTarget } from '../../../runtime/build/bundle/target';
import type { Fetcher } from '../../../runtime/image/fetch/fetch';
import { prefixed } from '../../../runtime/image/prefixed';
import { defaultName, imageScheme, withoutLogin } from '../../../runtime/image/uri';
import type { CommandContext } from '../../command-line/command';
import { version } from '../../command-line/version';
import { openFetcher } from '../../network/fetch';

/** What stands in front of an error, in Apptainer's words. */
const CONTEXT: Record<string, string> = {
  shub: 'While pulling shub image',
  oras: 'While pulling image from oci registry: error fetching image to cache',
  library: 'While pulling library image: error fetching image',
  http: 'While pulling image from http(s): error fetching image to cache',
  https: 'While pulling image from http(s): error fetching image to cache',
};
const OCI_CONTEXT = 'While making image from oci registry: error fetching image to cache';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const reference = args.at(-1) as string;
  const scheme = checkedScheme(reference);
  const given = options.text('name') ?? (args.length > 1 ? (args[0] as string) : defaultName(reference));
  // The URI of a directory on a server; an empty name would be the working directory's.
  if (given === '') {
    const hint = 'name it: davit pull FILE.sif URI';
    throw new RuntimeError('IMAGE_OPEN', `"${withoutLogin(reference)}" does not say what the file is to be called`, {
      hint,
    });
  }
  const target = options.has('dir') ? join(options.text('dir') ?? '', given) : given;
  checkTarget(target, options.flag('force'), options.flag('sandbox'));
  const fetcher = await openFetcher(context);
  try {
    const source = await fetcher.locate(reference);
    if (options.flag('sandbox')) await toSandbox(fetcher, source, target, context);
    else await replaceTarget(target, (temporary) => fetcher.toTarget(source, temporary));
    if (scheme === 'library' && !options.flag('sandbox')) await warnUnlessSigned(target, context);
    terminal.verbose(`Pulled ${withoutLogin(reference)} to ${target}`);
    return 0;
  } catch (error) {
    throw prefixed(error, CONTEXT[scheme] ?? OCI_CONTEXT);
  } finally {
    fetcher.close();
  }
}

/** An image of a library is expected to be signed; that one is not is no reason to refuse it. */
async function warnUnlessSigned(path: string, context: CommandContext): Promise<void> {
  const { options, terminal } = context;
  if (options.flag('allowUnsigned') || options.flag('allowUnauthenticated')) return;
  const { signatureTrouble } = await import('../../network/signature-check');
  const trouble = await signatureTrouble(path, context);
  if (trouble === undefined) return;
  terminal.warning(trouble);
  terminal.warning('Skipping container verification');
}

/** @throws RuntimeError IMAGE_OPEN, in Apptainer's words */
function checkedScheme(reference: string): string {
  const scheme = imageScheme(reference);
  const fetched = scheme !== undefined && !['instance', 'ipfs', 'ipns'].includes(scheme);
  if (fetched && !/[A-Z]/.test(reference.slice(0, scheme.length))) return scheme;
  const named = /^([^/:]+):\/\//.exec(reference)?.[1];
  const message = named === undefined ? 'No transport type URI supplied' : `Unsupported transport type: ${named}`;
  throw new RuntimeError('IMAGE_OPEN', message, {
    path: reference,
    hint: 'an image is named for example docker://alpine, oras://HOST/NAME, library://NAME or https://HOST/FILE',
  });
}

function checkTarget(target: string, force: boolean, sandbox: boolean): void {
  const stat = lstatSync(target, { throwIfNoEntry: false });
  const parent = dirname(target);
  if (!statSync(parent, { throwIfNoEntry: false })?.isDirectory()) {
    throw new RuntimeError('IMAGE_BUILD', `open ${target}: there is no directory "${parent}"`, { path: parent });
  }
  if (!stat) return;
  if (!force) {
    throw new RuntimeError('IMAGE_BUILD', `Image file already exists: "${target}" - will not overwrite`, {
      path: target,
      hint: '--force overwrites it',
    });
  }
  if (stat.isDirectory() && !sandbox) {
    throw new RuntimeError('IMAGE_BUILD', `"${target}" is a directory; it is not overwritten by a file`, {
      path: target,
    });
  }
}

async function toSandbox(
  fetcher: Fetcher,
  source: Awaited<ReturnType<Fetcher['locate']>>,
  target: string,
  context: CommandContext,
): Promise<void> {
  const { options, terminal } = context;
  const { path } = await fetcher.toFile(source);
  if (source.kind === 'library') await warnUnlessSigned(path, context);
  const { buildImage } = await import('../../../runtime/build/build');
  await buildImage({
    target,
    source: path,
    sandbox: true,
    force: options.flag('force'),
    version: version(),
    onInfo: (text) => terminal.info(text),
    onWarning: (text) => terminal.warning(text),
  });
}
