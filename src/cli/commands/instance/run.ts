import type { CommandContext } from '../../command-line/command';
import { launch } from '../../launch/launch';

/** An instance whose program is the runscript. */
export function run(context: CommandContext): Promise<number> {
  return launch('start', context, true);
}
