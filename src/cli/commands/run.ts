import type { CommandContext } from '../command';
import { launch } from '../launch';

export function run(context: CommandContext): Promise<number> {
  return launch('run', context);
}
