/** `davit build`. */
import { RuntimeError } from '../../errors';
import type { CommandContext } from '../command';
import { version } from '../version';

export async function run({ args, options, terminal }: CommandContext): Promise<number> {
  const [target, source] = args;
  if (target === undefined || source === undefined) throw new RuntimeError('USAGE', 'accepts 2 arg(s)');
  const { buildImage } = await import('../../runtime/build/build');
  await buildImage({
    target,
    source,
    force: options.flag('force'),
    sandbox: options.flag('sandbox'),
    compression: options.text('compression'),
    version: version(),
    onInfo: (text) => terminal.info(text),
    onWarning: (text) => terminal.warning(text),
  });
  return 0;
}
