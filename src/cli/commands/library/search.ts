/** `davit search`. */
import { hostArch } from '../../../runtime/image/arch';
import { prefixed } from '../../../runtime/image/prefixed';
import type { CommandContext } from '../../command-line/command';
import { openFetcher } from '../../network/fetch';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const query = args[0] as string;
  const fetcher = await openFetcher(context);
  try {
    const found = await fetcher.search(query, { signed: options.flag('signed') });
    const about = `container images for ${options.text('arch') ?? hostArch()} matching "${query}"`;
    if (found.length === 0) terminal.out(`No ${about.replace('images for', 'images found for')}.\n\n`);
    else {
      terminal.out(`Found ${found.length} ${about}:\n\n`);
      for (const { uri, fingerprints } of found) {
        const signed = fingerprints.length > 0 ? `\t\tSigned by: ${fingerprints.join(',')}\n` : '';
        terminal.out(`\t${uri}\n${signed}\n`);
      }
    }
    return 0;
  } catch (error) {
    throw prefixed(error, "Couldn't search library");
  } finally {
    fetcher.close();
  }
}
