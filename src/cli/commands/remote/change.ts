/** `davit remote use`, `remove` and `logout`. */
import { RuntimeError } from '../../../errors';
import {
  findRemote,
  type RemotePlace,
  removeRemote,
  setToken,
  useRemote,
} from '../../../runtime/image/library/remotes';
import type { CommandContext } from '../../command-line/command';

/** Which file a command is about. */
export function placeOf({ options, env }: Pick<CommandContext, 'options' | 'env'>): RemotePlace {
  const file = options.text('remoteFile');
  const global = options.flag('global') || options.flag('exclusive');
  return { env, ...(file === undefined ? {} : { file }), ...(global ? { global } : {}) };
}

export function use(context: CommandContext): number {
  const name = context.args[0] as string;
  const exclusive = context.options.flag('exclusive');
  if (exclusive && process.getuid?.() !== 0) {
    throw new RuntimeError('CONFIG', 'unable to set endpoint as exclusive: not root user', { path: '--exclusive' });
  }
  useRemote(placeOf(context), name, exclusive);
  context.terminal.info(`Remote "${name}" now in use.`);
  return 0;
}

export function remove(context: CommandContext): number {
  const name = context.args[0] as string;
  removeRemote(placeOf(context), name);
  context.terminal.info(`Remote "${name}" removed.`);
  return 0;
}

export function logout(context: CommandContext): number {
  const place = placeOf(context);
  const { name, remote } = findRemote(place, context.args[0]);
  if (remote.token !== undefined) setToken(place, name, undefined);
  context.terminal.info('Logout succeeded');
  return 0;
}
