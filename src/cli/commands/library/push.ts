/** `davit push` to a library: signed images alone, unless told otherwise. */
import { RuntimeError } from '../../../errors';
import { inspectImage } from '../../../runtime/image/open';
import { prefixed } from '../../../runtime/image/prefixed';
import type { CommandContext } from '../../command-line/command';
import { openFetcher } from '../../network/fetch';
import { signatureTrouble } from '../../network/signature-check';
import { formatBytes } from '../../terminal/progress-format';

/** @param reference without `library://` */
export async function pushLibrary(path: string, reference: string, context: CommandContext): Promise<number> {
  const { options, terminal } = context;
  const arch = checkedArch(path);
  if (options.flag('allowUnsigned')) terminal.warning('Skipping container verification');
  else if ((await signatureTrouble(path, context)) !== undefined) {
    terminal.err(`TIP: You can push unsigned images with 'davit push -U ${path}'.\n`);
    terminal.err(`TIP: Learn how to sign your own containers by using 'davit help sign'\n\n`);
    throw new RuntimeError('IMAGE_FORMAT', 'Unable to upload container: unable to verify signature', { path });
  }
  const fetcher = await openFetcher(context);
  try {
    const description = options.text('description') ?? '';
    const pushed = await fetcher.pushToLibrary({ path, reference, arch, description });
    if (!pushed) return 0;
    const { usedBytes, quotaBytes, url } = pushed;
    const part = ((usedBytes / quotaBytes) * 100).toFixed(1);
    const quota = quotaBytes === 0 ? 'unlimited quota' : `${formatBytes(quotaBytes)} quota (${part}% used)`;
    terminal.out(`\nLibrary storage: using ${formatBytes(usedBytes)} out of ${quota}\nContainer URL: ${url}\n`);
    return 0;
  } catch (error) {
    throw prefixed(error, inWhat(error));
  } finally {
    fetcher.close();
  }
}

function inWhat(error: unknown): string {
  const isMissingToken = error instanceof RuntimeError && error.message.startsWith('no authentication token');
  return isMissingToken ? 'Cannot push image to library' : 'Unable to push image to library';
}

function checkedArch(path: string): string {
  try {
    const { image } = inspectImage(path);
    if (image.kind !== 'sif') throw new RuntimeError('IMAGE_FORMAT', `"${path}" is no SIF file`, { path });
    if (image.arch !== undefined) return image.arch;
    throw new RuntimeError('IMAGE_FORMAT', 'unknown architecture in SIF file', { path });
  } catch (error) {
    throw prefixed(error, 'Unable to push image to library');
  }
}
