import type { CommandContext } from '../command-line/command';
import { version } from '../command-line/version';

export function run({ terminal }: CommandContext): number {
  terminal.out(`${version()}\n`);
  return 0;
}
