/** `davit key remove`. */
import { RuntimeError } from '../../../errors';
import { prefixed } from '../../../runtime/image/prefixed';
import { type Keyring, userKeyrings } from '../../../runtime/signing/keyring';
import type { CommandContext } from '../../command-line/command';
import { ownKeysDirectory, publicKeyring } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { options } = context;
  const both = options.flag('both') || (options.flag('secret') && options.flag('public'));
  const rings = {
    public: publicKeyring(context),
    private: userKeyrings(ownKeysDirectory(context)).secret,
  };
  if (!both) {
    const kind = options.flag('secret') ? 'private' : 'public';
    const failure = await remove(rings[kind], context);
    if (failure) throw prefixed(failure, `Unable to remove ${kind} key`);
    return 0;
  }
  const failures = [await remove(rings.public, context), await remove(rings.private, context)];
  const [first, second] = failures;
  if (!first || !second) return 0;
  const message = `Unable to remove neither public key: ${first.message}, nor private key: ${second.message}`;
  throw new RuntimeError('KEY', message);
}

async function remove(keyring: Keyring, { args, terminal }: CommandContext): Promise<RuntimeError | undefined> {
  try {
    if (!(await keyring.remove(args[0] as string))) {
      return new RuntimeError('KEY', 'no key matching given fingerprint found');
    }
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
  terminal.verbose(`Updating local keyring: ${keyring.path}`);
  return undefined;
}
