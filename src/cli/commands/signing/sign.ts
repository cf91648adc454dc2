/** `davit sign`: signatures for the objects of a SIF file. */
import { RuntimeError } from '../../../errors';
import { prefixed } from '../../../runtime/image/prefixed';
import { isLocked, isPrivate, type Key, type PrivateKey, unlock } from '../../../runtime/signing/openpgp';
import { loadPrivateKey } from '../../../runtime/signing/pem-key';
import { type SigningKey, signImage } from '../../../runtime/signing/sign';
import type { CommandContext } from '../../command-line/command';
import { askNumber, askSecret } from '../../terminal/prompt';
import { formatChoice } from './key-listing';
import { preparedKeyrings } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const path = args[0] as string;
  const pem = options.text('key');
  const what = pem === undefined ? 'PGP key material' : `key material from '${pem}'`;
  terminal.info(`Signing image with ${what}`);
  const key = pem === undefined ? await openPgpKey(context) : await pemKey(pem, context);
  try {
    await signImage(path, key, chosen(context));
  } catch (error) {
    throw prefixed(error, 'Failed to sign container');
  }
  terminal.info(`Signature created and applied to image '${path}'`);
  return 0;
}

/** --group-id and --sif-id. */
function chosen({ options }: CommandContext): { groups: number[]; objects: number[] } {
  const one = (key: string): number[] => (options.has(key) ? [options.number(key) ?? 0] : []);
  return { groups: one('groupId'), objects: one('sifId') };
}

async function pemKey(path: string, { terminal }: CommandContext): Promise<SigningKey> {
  try {
    return { pem: await loadPrivateKey(path, () => askSecret(terminal, 'Enter key passphrase : ')) };
  } catch (error) {
    throw prefixed(error, 'Failed to load key material');
  }
}

async function openPgpKey(context: CommandContext): Promise<SigningKey> {
  try {
    const key = await choose(await preparedKeyrings(context).secret.load(), context);
    if (isLocked(key)) await unlock(key, await askSecret(context.terminal, 'Enter key passphrase : '));
    return { openPgp: key };
  } catch (error) {
    throw prefixed(error, 'Failed to sign container');
  }
}

async function choose(keys: readonly Key[], { options, terminal }: CommandContext): Promise<PrivateKey> {
  const index = options.has('keyidx') ? (options.number('keyidx') ?? 0) : await askedIndex(keys, terminal);
  const key = keys[index];
  if (!key) throw new RuntimeError('KEY', 'index out of range', { hint: 'davit key list --secret has the numbers' });
  if (isPrivate(key)) return key;
  throw new RuntimeError('KEY', `key ${index} of the keyring has no private part`, {
    hint: 'import it again: a public key has taken its place',
  });
}

async function askedIndex(keys: readonly Key[], terminal: CommandContext['terminal']): Promise<number> {
  if (keys.length === 0) {
    throw new RuntimeError('KEY', 'keyring is empty', { hint: 'davit key newpair makes a key, --key names a PEM key' });
  }
  if (keys.length === 1) return 0;
  for (const [index, key] of keys.entries()) terminal.out(await formatChoice(index, key));
  return askNumber(terminal, 'Enter # of private key to use : ', keys.length - 1);
}
