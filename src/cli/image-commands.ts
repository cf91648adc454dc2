/** Rows of commands.ts: the commands that talk to registries, libraries and the image cache. */
import type { CommandSpec } from './commands';

const SOURCES =
  'URIs: docker://, oras:// and library:// for registries, http:// and https:// for web servers, oci:, oci-archive:, ' +
  'docker-archive: and docker-daemon: for images on this machine.';

export const IMAGE_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'pull',
    usage: '[pull options...] [output file] <URI>',
    summary: 'Fetch an image',
    description: `Fetches an image and makes a SIF file of it where it is none. ${SOURCES}`,
    examples: ['davit pull docker://alpine', 'davit pull tool.sif oras://registry.example.org/tools/tool:1'],
    args: [1, 2],
    load: () => import('./commands/pull'),
  },
];
