/** `davit key import`: the keys of a file into the keyrings. */
import { readFileSync, statSync } from 'node:fs';
import { errnoOf, RuntimeError } from '../../../errors';
import { errnoText } from '../../../runtime/image/errno-text';
import { prefixed } from '../../../runtime/image/prefixed';
import {
  fingerprint,
  isLocked,
  isPrivate,
  type Key,
  lock,
  type PrivateKey,
  publicOf,
  readKeys,
  unlock,
} from '../../../runtime/signing/openpgp';
import type { CommandContext } from '../../command-line/command';
import { askNewPassphrase, askSecret } from '../../terminal/prompt';
import { KEY_FAILED, orFail, preparedKeyrings, writableKeyring } from './signing';

const MAX_BYTES = 64 << 20;

export async function run(context: CommandContext): Promise<number> {
  return await orFail(context, 'key import command failed', KEY_FAILED, async () => {
    for (const key of await keysOf(context.args[0] as string)) {
      if (isPrivate(key)) await importPrivate(key, context);
      await importPublic(key, context);
    }
  });
}

async function keysOf(path: string): Promise<Key[]> {
  try {
    if (statSync(path).size > MAX_BYTES) throw new RuntimeError('KEY', 'it is too large');
    const keys = await readKeys(readFileSync(path), path);
    if (keys.length > 0) return keys;
    throw new RuntimeError('KEY', 'there is no key in it');
  } catch (cause) {
    const error =
      cause instanceof RuntimeError
        ? cause
        : new RuntimeError('KEY', `open ${path}: ${errnoText(cause)}`, { errno: errnoOf(cause) });
    throw prefixed(error, `unable to get entity from: ${path}`);
  }
}

async function importPrivate(key: PrivateKey, context: CommandContext): Promise<void> {
  const { options, terminal } = context;
  if (options.flag('global')) throw new RuntimeError('KEY', "global keyring doesn't contain private keys");
  const keyring = preparedKeyrings(context).secret;
  if (await keyring.has(key)) throw exists(key);
  let passphrase = '';
  if (isLocked(key)) {
    passphrase = await askSecret(terminal, 'Enter your key password : ');
    await unlock(key, passphrase, true);
  }
  if (options.flag('newPassword'))
    passphrase = await askNewPassphrase(terminal, 'Enter a new password for this key : ');
  keyring.add(passphrase === '' ? key : await lock(key, passphrase));
  terminal.out(`Key with fingerprint ${fingerprint(key)} successfully added to the private keyring\n`);
}

async function importPublic(key: Key, context: CommandContext): Promise<void> {
  const keyring = writableKeyring(context);
  if (await keyring.has(key)) throw exists(key);
  keyring.add(publicOf(key));
  context.terminal.out(`Key with fingerprint ${fingerprint(key)} successfully added to the public keyring\n`);
}

function exists(key: Key): RuntimeError {
  return new RuntimeError('KEY', `the key with fingerprint ${fingerprint(key)} already belongs to the keyring`);
}
