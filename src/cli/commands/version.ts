import type { CommandContext } from '../command';
import { version } from '../version';

export function run({ terminal }: CommandContext): number {
  terminal.out(`${version()}\n`);
  return 0;
}
