/** Bootstrap agents by name. Each is loaded when a definition asks for it. */
import { RuntimeError } from '../../../errors';
import { headerValue, type Stage } from '../../../formats/definition/definition';
import type { BootstrapAgent } from './agent';
import { isUriAgent } from './from-uri';

const LATER = ['buildkit', 'dockerfile'];

/** @throws RuntimeError DEFINITION for an agent nobody knows, IMAGE_UNSUPPORTED for one that is not there yet */
export async function bootstrapAgent(stage: Stage): Promise<BootstrapAgent> {
  const name = headerValue(stage, 'bootstrap').toLowerCase();
  switch (name) {
    case 'localimage':
      return (await import('./local-image')).localImage;
    case 'scratch':
      return (await import('./scratch')).scratch;
    case 'busybox':
      return (await import('./busybox')).busybox;
    case 'debootstrap':
      return (await import('./debootstrap')).debootstrap;
    case 'yum':
    case 'dnf':
      return (await import('./yum')).yum;
    case 'zypper':
      return (await import('./zypper')).zypper;
    case 'arch':
      return (await import('./arch')).arch;
    default:
      if (isUriAgent(name)) return (await import('./from-uri')).fromUri;
  }
  if (LATER.includes(name)) {
    throw new RuntimeError('IMAGE_UNSUPPORTED', `bootstrap agent ${name} is not supported yet`, {
      path: name,
      hint: 'build the image with its own tool, and use "Bootstrap: docker-archive" or "docker"',
    });
  }
  throw new RuntimeError('DEFINITION', `unable to get conveyorpacker: invalid build source ${name}`, {
    path: name,
    hint: 'docs/definition-files.md lists the bootstrap agents',
  });
}
