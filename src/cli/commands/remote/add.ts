/** `davit remote add`. */
import { RuntimeError } from '../../../errors';
import { addRemote, endpointUri } from '../../../runtime/image/library/remotes';
import type { CommandContext } from '../../command-line/command';
import { placeOf } from './change';
import { loginTo } from './login';

export async function run(context: CommandContext): Promise<number> {
  const { args, options, terminal } = context;
  const [name, address] = args as [string, string];
  const { uri, scheme } = endpointUri(address);
  const insecure = options.flag('insecure') && scheme !== 'https';
  if (scheme === 'http' && !insecure) {
    throw new RuntimeError('CONFIG', 'http URI requires --insecure or DAVIT_ADD_INSECURE=true', { path: address });
  }
  if (options.flag('insecure') && scheme === 'https') terminal.info('--insecure ignored for https remote');
  const place = placeOf(context);
  const remote = { uri, insecure, system: false, exclusive: false };
  addRemote(place, name, remote, !options.flag('noDefault') && !place.global);
  terminal.info(`Remote "${name}" added.`);
  if (options.flag('noLogin')) return 0;
  if (place.global) {
    terminal.info('Global option detected. Will not automatically log into remote.');
    return 0;
  }
  return await loginTo(name, context);
}
