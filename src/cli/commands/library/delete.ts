/** `davit delete`: an image of a library. */
import { RuntimeError } from '../../../errors';
import { hostArch } from '../../../runtime/image/arch';
import { parseLibraryReference } from '../../../runtime/image/library/reference';
import { prefixed } from '../../../runtime/image/prefixed';
import type { CommandContext } from '../../command-line/command';
import { openFetcher } from '../../network/fetch';
import { askLine } from '../../terminal/prompt';

const DEFAULT_TIMEOUT_S = 15;

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const reference = (args[0] as string).replace(/^library:\/\//, '');
  const { host, path, tags } = parseLibraryReference(reference);
  if (host !== undefined && options.text('library') !== undefined) {
    const message = 'Conflicting arguments; do not use --library with a library URI containing host name';
    throw new RuntimeError('OPTION', message, { path: '--library' });
  }
  const shown = `${path}:${tags[0] ?? 'latest'} (${options.text('arch') ?? hostArch()})`;
  if (!options.flag('force')) {
    const answer = askLine(terminal, `Are you sure you want to delete ${shown} [y/N] `);
    if (!/^y(es)?$/i.test((answer ?? '').trim())) return 0;
  }
  const fetcher = await openFetcher(context);
  try {
    await within(options.number('timeout') ?? DEFAULT_TIMEOUT_S, fetcher.delete(reference));
    terminal.info(`Image ${shown} deleted.`);
    return 0;
  } catch (error) {
    throw prefixed(error, 'Unable to delete image from library');
  } finally {
    fetcher.close();
  }
}

/** What the server is doing after that time is not ours to know. */
async function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, fail) => {
    const late = new RuntimeError('NETWORK', `no answer after ${seconds} seconds`, { errno: 'ETIMEDOUT' });
    timer = setTimeout(() => fail(late), seconds * 1000);
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}
