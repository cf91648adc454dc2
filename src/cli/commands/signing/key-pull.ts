/** `davit key pull`: a public key from a key server into the keyring. */
import { RuntimeError } from '../../../errors';
import { prefixed } from '../../../runtime/image/prefixed';
import { fingerprint, type Key, publicOf } from '../../../runtime/signing/openpgp';
import type { CommandContext } from '../../command-line/command';
import { KEY_FAILED, openKeyServer, orFail, serverWords, writableKeyring } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { args, terminal } = context;
  return await orFail(context, 'pull failed', KEY_FAILED, async () => {
    const key = await fetchKey(args[0] as string, context).catch((error: unknown) => {
      throw prefixed(error, 'unable to pull key from server');
    });
    const keyring = writableKeyring(context);
    const isNew = !(await keyring.has(key));
    if (isNew) keyring.add(key);
    terminal.out(`${isNew ? 1 : 0} key(s) added to keyring of trust ${keyring.path}\n`);
  });
}

async function fetchKey(wanted: string, context: CommandContext): Promise<Key> {
  const id = wanted.replace(/^0x/i, '').toUpperCase();
  if (!/^[0-9A-F]*$/.test(id))
    throw new RuntimeError('KEY', `failed to decode fingerprint: "${wanted}" is not hexadecimal`);
  if (id.length !== 8 && id.length !== 40) {
    throw new RuntimeError('KEY', 'not a valid key length: only accepts 8, or 40 chars');
  }
  const server = openKeyServer(context);
  try {
    const keys = await (await server.server()).get(id).catch((error: unknown) => {
      throw serverWords(error, 'no matching keys found for fingerprint');
    });
    const [key] = keys;
    if (!key) throw new RuntimeError('KEY', 'no keys in keyring');
    if (keys.length > 1) throw new RuntimeError('KEY', 'server returned more than one key for unique fingerprint');
    if (key.getKeys().some((one) => one.getFingerprint().toUpperCase().endsWith(id))) return publicOf(key);
    throw new RuntimeError('INTEGRITY', `the key server sent another key: ${fingerprint(key)}`);
  } finally {
    server.close();
  }
}
