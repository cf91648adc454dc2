/** `davit remote get-login-password`. */
import { RuntimeError } from '../../../errors';
import { findRemote } from '../../../runtime/image/library/remotes';
import { userData } from '../../../runtime/image/library/status';
import type { CommandContext } from '../../command-line/command';
import { openClient } from '../../network/fetch';

export async function run(context: CommandContext): Promise<number> {
  const { remote } = findRemote({ env: context.env });
  const client = openClient(context);
  try {
    const { secret } = await userData(remote, client);
    if (secret === undefined) throw new RuntimeError('REGISTRY', 'no token was received from service');
    context.terminal.out(`${secret}\n`);
    return 0;
  } finally {
    client.close();
  }
}
