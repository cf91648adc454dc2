/** `davit key search`. */
import { RuntimeError } from '../../../errors';
import type { CommandContext } from '../../command-line/command';
import { formatSearch } from './key-listing';
import { KEY_FAILED, openKeyServer, orFail, serverWords } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const server = openKeyServer(context);
  try {
    return await orFail(context, 'search failed', KEY_FAILED, async () => {
      const client = await server.server();
      const index = await client.index(args[0] as string).catch((error: unknown) => {
        throw serverWords(error, 'no matching keys found for fingerprint');
      });
      const { count, announced, text } = formatSearch(index, options.flag('longList'));
      terminal.out(`Showing ${count} results\n\n${text}`);
      if (announced > 0 && announced !== count) {
        throw new RuntimeError('REGISTRY', `the key server announced ${announced} keys and listed ${count}`);
      }
    });
  } finally {
    server.close();
  }
}
