/** `davit remote status`. */
import { findRemote } from '../../../runtime/image/library/remotes';
import { statusOf, userData, verifyToken } from '../../../runtime/image/library/status';
import { prefixed } from '../../../runtime/image/prefixed';
import type { CommandContext } from '../../command-line/command';
import { openClient } from '../../network/fetch';
import { formatTable } from '../../terminal/render';
import { placeOf } from './change';

const PADDING = 2;

export async function run(context: CommandContext): Promise<number> {
  const { args, terminal } = context;
  const [wanted] = args;
  terminal.info(wanted === undefined ? 'Checking status of default remote.' : `Checking status of remote: ${wanted}`);
  const { remote } = findRemote(placeOf(context), wanted);
  const client = openClient(context);
  try {
    const services = await statusOf(remote, client).catch((error: unknown) => {
      throw prefixed(error, 'while retrieving services');
    });
    const rows = services.map(({ name, uri, version }) => [
      name,
      version === undefined ? 'N/A' : 'OK',
      version ?? '',
      uri,
    ]);
    terminal.out(formatTable([['SERVICE', 'STATUS', 'VERSION', 'URI'], ...rows], PADDING));
    if (remote.token === undefined) {
      terminal.out('\nNo authentication token set (logged out).\n');
      return 0;
    }
    const identity = await userData(remote, client).catch(() => undefined);
    if (identity) terminal.out(`\nLogged in as: ${identity.name} <${identity.email}>\n\n`);
    await verifyToken(remote, remote.token, client).catch((error: unknown) => {
      terminal.out('\nAuthentication token is invalid (please login again).\n');
      throw error;
    });
    terminal.info('Access Token Verified!');
    terminal.out('\nValid authentication token set (logged in).\n');
    return 0;
  } finally {
    client.close();
  }
}
