/** `davit registry logout`. */
import { logout, registryOf } from '../../../runtime/image/fetch/logins';
import type { CommandContext } from '../../command-line/command';

export async function run({ args, options, env, terminal }: CommandContext): Promise<number> {
  const uri = args[0] as string;
  const place = { env, authFile: options.text('authfile'), remoteFile: options.text('remoteFile') };
  const removed = await logout(uri, place);
  if (removed.length === 0) terminal.warning(`There is no existing login to registry "${registryOf(uri)}".`);
  for (const path of removed) terminal.info(`Token removed from ${path}`);
  terminal.info('Logout succeeded');
  return 0;
}
