/** `davit key export`: a key of the keyring into a file. */
import { writeFileSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../../errors';
import { errnoText } from '../../../runtime/image/errno-text';
import type { Keyring } from '../../../runtime/signing/keyring';
import { fingerprint, isLocked, isPrivate, type Key, lock, unlock } from '../../../runtime/signing/openpgp';
import type { CommandContext } from '../../command-line/command';
import { askNumber, askSecret } from '../../terminal/prompt';
import { formatKey } from './key-listing';
import { EXPORT_FAILED, orFail, preparedKeyrings, publicKeyring } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const path = args[0] as string;
  const secret = options.flag('secret');
  return await orFail(context, 'key export command failed', EXPORT_FAILED, async () => {
    const chosen = await choose(secret ? preparedKeyrings(context).secret : publicKeyring(context), secret, context);
    const key = secret ? await protectedKey(chosen, context) : chosen;
    write(path, options.flag('armor') ? key.armor() : (key.write() as Uint8Array), secret);
    const kind = secret ? 'Private' : 'Public';
    terminal.out(`${kind} key with fingerprint ${fingerprint(key)} correctly exported to file: ${path}\n`);
  });
}

async function choose(keyring: Keyring, secret: boolean, { terminal }: CommandContext): Promise<Key> {
  const keys = await keyring.load();
  if (keys.length === 0) throw new RuntimeError('KEY', 'keyring is empty');
  for (const [index, key] of keys.entries()) terminal.out(await formatKey(index, key));
  const question = `Enter # of ${secret ? 'private' : 'public'} key to use : `;
  return keys[askNumber(terminal, question, keys.length - 1)] as Key;
}

/** The passphrase is asked, and stays; what the reference left open is protected by it, too. */
async function protectedKey(key: Key, { terminal }: CommandContext): Promise<Key> {
  if (!isPrivate(key)) throw new RuntimeError('KEY', 'the key has no private part');
  if (!isLocked(key)) return key;
  const passphrase = await askSecret(terminal, 'Enter key passphrase : ');
  await unlock(key, passphrase, true);
  return await lock(key, passphrase);
}

function write(path: string, bytes: string | Uint8Array, secret: boolean): void {
  try {
    writeFileSync(path, bytes, { mode: secret ? 0o600 : 0o666 });
  } catch (cause) {
    const message = `unable to create file: open ${path}: ${errnoText(cause)}`;
    throw new RuntimeError('KEY', message, { path, errno: errnoOf(cause), cause });
  }
}
