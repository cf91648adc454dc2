/** `davit registry login`. */
import { RuntimeError } from '../../../errors';
import { login } from '../../../runtime/image/fetch/logins';
import { prefixed } from '../../../runtime/image/prefixed';
import type { CommandContext } from '../../command-line/command';
import { openClient } from '../../network/fetch';
import { askSecret, readStdin } from '../../terminal/prompt';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, env, terminal } = context;
  const uri = args[0] as string;
  const username = options.text('username');
  if (username === undefined) {
    throw new RuntimeError('OPTION', `while login to ${uri}: Docker/OCI registry requires a username`, {
      path: '--username',
      hint: 'give it by --username',
    });
  }
  const password = await readPassword(context);
  if (password === '') {
    throw new RuntimeError('OPTION', `while login to ${uri}: a password is required`, {
      hint: 'give it by --password-stdin, or type it',
    });
  }
  const client = openClient(context);
  const place = { env, authFile: options.text('authfile'), remoteFile: options.text('remoteFile') };
  try {
    for (const path of await login(uri, { username, password }, client, place))
      terminal.info(`Token stored in ${path}`);
    return 0;
  } catch (error) {
    throw prefixed(error, `while login to ${uri}`);
  } finally {
    client.close();
  }
}

async function readPassword({ options, terminal }: CommandContext): Promise<string> {
  const given = options.text('password');
  if (given !== undefined && options.flag('passwordStdin')) {
    throw new RuntimeError('OPTION', '--password and --password-stdin exclude each other');
  }
  if (options.flag('passwordStdin')) return readStdin();
  return given ?? (await askSecret(terminal, 'Password / Token: '));
}
