/** `davit push`: a SIF file to a registry. */
import { RuntimeError } from '../../../errors';
import { inspectImage } from '../../../runtime/image/open';
import { prefixed } from '../../../runtime/image/prefixed';
import type { CommandContext } from '../../command-line/command';
import { openFetcher } from '../../network/fetch';

export async function run(context: CommandContext): Promise<number> {
  const [path, uri] = context.args as [string, string];
  const [, scheme, rest] = /^([A-Za-z-]+):\/\/(.*)$/.exec(uri) ?? [];
  if (scheme === undefined || rest === undefined) throw new RuntimeError('IMAGE_OPEN', `bad uri ${uri}`, { path: uri });
  if (scheme === 'library') return await (await import('../library/push')).pushLibrary(path, rest, context);
  if (scheme !== 'oras') throw new RuntimeError('IMAGE_OPEN', `Unsupported transport type: ${scheme}`, { path: uri });
  if (context.options.text('description') !== undefined) {
    context.terminal.warning('Description is not supported for push to oras. Ignoring it.');
  }
  checkImage(path);
  const fetcher = await openFetcher(context);
  try {
    const digest = await fetcher.push(path, rest);
    context.terminal.info('Upload complete');
    context.terminal.verbose(`Digest of the manifest: ${digest}`);
    return 0;
  } catch (error) {
    throw prefixed(error, 'Unable to push image to oci registry');
  } finally {
    fetcher.close();
  }
}

/** @throws RuntimeError when the file is no SIF */
function checkImage(path: string): void {
  let kind: string;
  try {
    kind = inspectImage(path).image.kind;
  } catch (error) {
    throw prefixed(error, 'Unable to push image to oci registry');
  }
  if (kind === 'sif') return;
  throw new RuntimeError('IMAGE_FORMAT', `Unable to push image to oci registry: "${path}" is no SIF file`, { path });
}
