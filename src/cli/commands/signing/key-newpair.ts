/** `davit key newpair`. */
import { RuntimeError } from '../../../errors';
import { generateKey } from '../../../runtime/signing/generate';
import { publicOf } from '../../../runtime/signing/openpgp';
import type { CommandContext } from '../../command-line/command';
import { askLine, askNewPassphrase } from '../../terminal/prompt';
import { KEY_FAILED, openKeyServer, orFail, preparedKeyrings, pushKey } from './signing';

export async function run(context: CommandContext): Promise<number> {
  const { options, terminal } = context;
  return await orFail(context, 'creating newpair failed', KEY_FAILED, async () => {
    const answers = {
      name: answer(context, 'name', 'Enter your name (e.g., John Doe) : '),
      email: answer(context, 'email', 'Enter your email address (e.g., john.doe@example.com) : '),
      comment: answer(context, 'comment', 'Enter optional comment (e.g., development keys) : '),
    };
    const passphrase = options.has('password') ? (options.text('password') ?? '') : await askedPassphrase(context);
    terminal.out('Generating Entity and OpenPGP Key Pair... ');
    const keyrings = preparedKeyrings(context);
    const key = await generateKey({ ...answers, passphrase, bits: options.number('bitLength') ?? 4096 }).catch(
      (error: unknown) => {
        terminal.out('\n');
        throw error;
      },
    );
    keyrings.secret.add(key);
    keyrings.public.add(publicOf(key));
    terminal.out('done\n');
    if (options.flag('push')) await push(publicOf(key), context);
  });
}

function answer({ options, terminal }: CommandContext, name: string, question: string): string {
  return options.has(name) ? (options.text(name) ?? '') : (askLine(terminal, question) ?? '');
}

async function askedPassphrase({ terminal }: CommandContext): Promise<string> {
  const passphrase = await askNewPassphrase(terminal, 'Enter a passphrase : ');
  if (passphrase !== '') return passphrase;
  const question = 'WARNING: if there is no password set, your key is not secure. Do you want to continue? [y/n] ';
  const said = (askLine(terminal, question) ?? '').toLowerCase();
  if (said === 'y' || said === 'yes') return '';
  if (said === '' || said === 'n' || said === 'no') throw new RuntimeError('KEY', 'empty passphrase');
  throw new RuntimeError('OPTION', `invalid answer: "${said}"`);
}

/** The key is there already: that it could not be pushed is said, and no more. */
async function push(key: ReturnType<typeof publicOf>, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const server = openKeyServer(context);
  try {
    await pushKey(key, await server.server(), context);
    terminal.out('Key successfully pushed to keystore\n');
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    terminal.out(`Failed to push newly created key to keystore: ${error.message}\n`);
  } finally {
    server.close();
  }
}
