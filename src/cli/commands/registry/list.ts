/** `davit registry list`. */
import { storedLogins } from '../../../runtime/image/fetch/logins';
import type { CommandContext } from '../../command-line/command';

export function run({ options, env, terminal }: CommandContext): number {
  const logins = storedLogins({ env, remoteFile: options.text('remoteFile') });
  const width = Math.max(3, ...logins.map(({ uri }) => uri.length)) + 2;
  terminal.out(`\n${'URI'.padEnd(width)}SECURE?\n`);
  for (const { uri, insecure } of logins) terminal.out(`${uri.padEnd(width)}${insecure ? '✗!' : '✓'}\n`);
  return 0;
}
