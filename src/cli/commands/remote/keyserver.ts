/** `davit keyserver add`, `remove` and `list`. */
import { RuntimeError } from '../../../errors';
import {
  checkKeyserverUri,
  encodeKeyservers,
  type Keyserver,
  keyserversOf,
  withKeyserver,
  withoutKeyserver,
} from '../../../runtime/image/library/keyservers';
import { readRemoteFile } from '../../../runtime/image/library/remote-file';
import { change, remotePath, remotesOf } from '../../../runtime/image/library/remotes';
import type { CommandContext } from '../../command-line/command';
import { openClient } from '../../network/fetch';
import { formatTable } from '../../terminal/render';
import { placeOf } from './change';

const PADDING = 2;

export async function add(context: CommandContext): Promise<number> {
  const { options } = context;
  const uri = context.args.at(-1) as string;
  checkKeyserverUri(uri);
  await edit(context, (list) => withKeyserver(list, uri, options.number('order'), options.flag('insecure')));
  return 0;
}

export async function remove(context: CommandContext): Promise<number> {
  const uri = context.args.at(-1) as string;
  await edit(context, (list) => withoutKeyserver(list, uri));
  return 0;
}

/** Key servers are the site's to choose: its file is changed, or one that was named. */
async function edit(context: CommandContext, how: (list: Keyserver[]) => Keyserver[]): Promise<void> {
  const { args, name: command } = context;
  const place = { ...placeOf(context), global: true };
  if (place.file === undefined && process.getuid?.() !== 0) {
    throw new RuntimeError('CONFIG', `${command} requires root: it changes "${remotePath(place)}"`, {
      hint: 'ask the administrator, or name a file of your own by --config',
    });
  }
  const file = readRemoteFile(remotePath(place));
  const wanted = args.length > 1 ? (args[0] as string) : (file.active ?? remotesOf(place).active ?? '');
  const remote = file.remotes.get(wanted) ?? remotesOf({ env: context.env }).remotes.get(wanted);
  if (!remote) throw new RuntimeError('CONFIG', `no endpoint found: ${wanted} is not a remote`, { path: wanted });
  if (!remote.system) throw new RuntimeError('CONFIG', 'current endpoint is not a system defined endpoint');
  const client = openClient(context);
  try {
    const keyservers = encodeKeyservers(how(await keyserversOf(remote, client)));
    change(place, (changed) => {
      const { token: _token, ...rest } = remote;
      changed.remotes.set(wanted, { ...rest, keyservers });
      changed.active ??= wanted;
    });
  } finally {
    client.close();
  }
}

export async function list(context: CommandContext): Promise<number> {
  const { args, terminal } = context;
  const { active, remotes } = remotesOf(placeOf(context));
  const [wanted] = args;
  if (wanted !== undefined && !remotes.has(wanted)) {
    throw new RuntimeError('CONFIG', `${wanted} is not a remote`, { path: wanted });
  }
  const client = openClient(context);
  try {
    for (const [name, remote] of [...remotes].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (wanted !== undefined && name !== wanted) continue;
      const marks = `${remote.system ? '*' : ''}${name === active ? '^' : ''}`;
      terminal.out(`\n${name} ${marks}`.trimEnd().concat('\n'));
      const shown = await keyserversOf(remote, client).catch(() => undefined);
      if (!shown) terminal.out('   (unable to fetch associated keyserver info for this endpoint)\n');
      else terminal.out(formatTable(rowsOf(shown), PADDING));
    }
  } finally {
    client.close();
  }
  terminal.out('\n(* = system endpoint, ^ = default endpoint)\n');
  return 0;
}

function rowsOf(list: Keyserver[]): string[][] {
  const used = list.filter(({ skip }) => !skip);
  return used.map(({ uri, insecure }, at) => [' ', `#${at + 1}`, uri, insecure ? '' : '🔒']);
}
