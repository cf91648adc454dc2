/** Keeping an image mounted while nothing runs from it: the plan of `davit image warm`. */
import { RuntimeError } from '../../errors';
import { compileImageLaunch, type ImageLaunchRequest, warmDirectory } from './compile';
import { type CompiledPlan, compiled, MODE } from './plan';

export type WarmRequest = Omit<
  ImageLaunchRequest,
  'action' | 'args' | 'command' | 'instanceName' | 'isRun' | 'stateDir'
> & {
  stateDir: string;
};

/**
 * What an instance of the image would mount, and nothing else: later launches find just that.
 * @param forMs from now on
 * @throws RuntimeError IMAGE_UNSUPPORTED when launches of the image mount nothing, and those of compileImageLaunch()
 */
export function compileWarm(request: WarmRequest, forMs: number): CompiledPlan {
  const { plan, warnings } = compileImageLaunch({ ...request, action: 'start', args: [], instanceName: 'warm' });
  const step = plan.steps?.find(({ mountFuse, mountSquashfs }) => mountFuse ?? mountSquashfs);
  if (step === undefined || request.image.isTemporary) {
    throw new RuntimeError(
      'IMAGE_UNSUPPORTED',
      `keep "${request.image.path}" mounted: its launches mount no image file`,
      {
        path: request.image.path,
        hint: 'directories are always ready; images that are unpacked here are kept in the cache',
      },
    );
  }
  if (step.mountSquashfs) step.mountSquashfs.shareDir = warmDirectory(request.stateDir);
  const { format, davitVersion, namespaces, output } = plan;
  const mode = MODE.warm;
  return compiled({ format, davitVersion, mode, namespaces, steps: [step], output, warmMs: forMs }, warnings);
}
