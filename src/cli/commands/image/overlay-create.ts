import { createOverlay, MIN_OVERLAY_MIB } from '../../../runtime/image/overlay-image';
import { temporaryParent } from '../../../runtime/image/temporary';
import type { CommandContext } from '../../command-line/command';

/** `davit overlay create`. */
export function run({ args, options, env }: CommandContext): number {
  createOverlay({
    path: args[0] as string,
    sizeMiB: options.number('size') ?? MIN_OVERLAY_MIB,
    isSparse: options.flag('sparse'),
    forFakeroot: options.flag('fakeroot'),
    directories: options.list('createDir'),
    temporaryParent: temporaryParent(env, options.text('tmpdir')),
  });
  return 0;
}
