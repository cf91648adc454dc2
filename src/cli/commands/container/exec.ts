import type { CommandContext } from '../../command-line/command';
import { launch } from '../../launch/launch';

export function run(context: CommandContext): Promise<number> {
  return launch('exec', context);
}
