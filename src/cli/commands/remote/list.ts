/** `davit remote list`. */
import { remotesOf } from '../../../runtime/image/library/remotes';
import type { CommandContext } from '../../command-line/command';
import { formatTable } from '../../terminal/render';
import { placeOf } from './change';

const PADDING = 2;
const YES = '✓';

export function run(context: CommandContext): number {
  const { active, remotes } = remotesOf(placeOf(context));
  const rows = [...remotes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { uri, system, exclusive, insecure }]) => [
      name,
      uri,
      name === active ? YES : '',
      system ? YES : '',
      exclusive ? YES : '',
      insecure ? '✗!' : YES,
    ]);
  const head = ['NAME', 'URI', 'DEFAULT?', 'GLOBAL?', 'EXCLUSIVE?', 'SECURE?'];
  context.terminal.out(`\n${formatTable([head, ...rows], PADDING)}`);
  return 0;
}
