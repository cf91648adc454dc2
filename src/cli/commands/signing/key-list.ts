/** `davit key list`. */
import { prefixed } from '../../../runtime/image/prefixed';
import { userKeyrings } from '../../../runtime/signing/keyring';
import type { CommandContext } from '../../command-line/command';
import { formatKey } from './key-listing';
import { ownKeysDirectory, publicKeyring } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { options, terminal } = context;
  const secret = options.flag('secret');
  const keyring = secret ? userKeyrings(ownKeysDirectory(context)).secret : publicKeyring(context);
  terminal.out(`${secret ? 'Private' : 'Public'} key listing (${keyring.path}):\n\n`);
  try {
    for (const [index, key] of (await keyring.load()).entries()) terminal.out(await formatKey(index, key));
  } catch (error) {
    throw prefixed(error, `While listing keys: could not list ${secret ? 'private' : 'public'} keys`);
  }
  return 0;
}
