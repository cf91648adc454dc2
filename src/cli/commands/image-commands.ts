/** Rows of commands.ts: the commands that talk to registries, libraries and the image cache. */
import type { CommandSpec } from '../command-line/command';

const SOURCES =
  'URIs: docker://, oras:// and library:// for registries, http:// and https:// for web servers, oci:, oci-archive:, ' +
  'docker-archive: and docker-daemon: for images on this machine.';

export const IMAGE_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'cache',
    usage: '<command>',
    summary: 'The image cache',
    description: 'What was fetched or converted is kept in $DAVIT_CACHEDIR, else in ~/.cache/davit.',
    args: [0, -1],
  },
  {
    name: 'cache clean',
    usage: '[clean options...]',
    summary: 'Remove what is in the image cache',
    description: 'Removes everything, or what --type and --days choose. Running containers keep what they use.',
    examples: ['davit cache clean --days 30', 'davit cache clean --type=library,oci'],
    args: [0, 0],
    load: () => import('./cache/clean'),
  },
  {
    name: 'cache list',
    usage: '[list options...]',
    summary: 'Show what is in the image cache',
    examples: ['davit cache list', 'davit cache list --type=library,oci -v'],
    args: [0, 0],
    load: () => import('./cache/list'),
  },
  {
    name: 'image',
    usage: '<command>',
    summary: 'Images that are kept mounted between instances',
    args: [0, -1],
  },
  {
    name: 'image cool',
    usage: '<image path>',
    summary: 'Keep an image mounted no longer than it is used',
    examples: ['davit image cool lab.sif'],
    args: [1, 1],
    load: async () => (await import('./image/warm')).cool,
  },
  {
    name: 'image list',
    usage: '[list options...]',
    summary: 'Show which of your images are mounted, and for how long',
    examples: ['davit image list', 'davit image list --json'],
    args: [0, 0],
    load: async () => (await import('./image/warm')).list,
  },
  {
    name: 'image warm',
    usage: '[warm options...] <image path>',
    summary: 'Keep an image mounted, so that its next launch need not mount it',
    description:
      'Mounts the image, where it is not mounted yet, and keeps it so for that time, also while nothing runs from it: the ' +
      'next launches have it at once. A later call replaces the time; 0 is what image cool does.',
    examples: ['davit image warm lab.sif', 'davit image warm --for 1h30m lab.sif'],
    args: [1, 1],
    flagsAnywhere: true,
    load: async () => (await import('./image/warm')).warm,
  },
  {
    name: 'inspect',
    usage: '[inspect options...] <image path>',
    summary: 'Show what an image says about itself',
    description:
      'Shows labels, scripts, environment, help and apps of an image: the labels when nothing is chosen. Nothing is ' +
      'mounted.',
    examples: ['davit inspect lab.sif', 'davit inspect --all lab.sif', 'davit inspect --app client -r lab.sif'],
    args: [1, 1],
    load: () => import('./image/inspect'),
  },
  {
    name: 'overlay',
    usage: '<command>',
    summary: 'Overlay images',
    args: [0, -1],
  },
  {
    name: 'overlay create',
    usage: '<options> image',
    summary: 'Make a writable overlay, as a file or in a SIF',
    description:
      'Makes an ext3 image by mkfs.ext3 (e2fsprogs), or adds one to a SIF file that exists and is not signed.',
    examples: ['davit overlay create --size 1024 changes.img', 'davit overlay create lab.sif'],
    args: [1, 1],
    load: () => import('./image/overlay-create'),
  },
  {
    name: 'pull',
    usage: '[pull options...] [output file] <URI>',
    summary: 'Fetch an image',
    description: `Fetches an image and makes a SIF file of it where it is none. ${SOURCES}`,
    examples: ['davit pull docker://alpine', 'davit pull tool.sif oras://registry.example.org/tools/tool:1'],
    args: [1, 2],
    load: () => import('./image/pull'),
  },
  {
    name: 'push',
    usage: '[push options...] <image> <URI>',
    summary: 'Upload an image',
    description: 'Uploads a SIF file to a registry, from where pull fetches it by the same URI.',
    examples: ['davit push tool.sif oras://registry.example.org/tools/tool:1'],
    args: [2, 2],
    load: () => import('./image/push'),
  },
  {
    name: 'registry',
    usage: '<command>',
    summary: 'Logins to registries',
    description: 'Logins are kept in the file that Docker and Apptainer use, or by a credential helper named in it.',
    args: [0, -1],
    helps: true,
  },
  {
    name: 'registry list',
    usage: '[list options...]',
    summary: 'Show where one has logged in',
    args: [0, 0],
    load: () => import('./registry/list'),
  },
  {
    name: 'registry login',
    usage: '[login options...] <registry_uri>',
    summary: 'Log in to a registry',
    description: 'Asks the registry whether user and password, or token, are right, and remembers them.',
    examples: ['davit registry login --username USER docker://docker.io'],
    args: [1, 1],
    load: () => import('./registry/login'),
  },
  {
    name: 'registry logout',
    usage: '[logout options...] <registry_uri>',
    summary: 'Forget a login',
    args: [1, 1],
    load: () => import('./registry/logout'),
  },
  {
    name: 'run-help',
    usage: '<image path>',
    summary: 'Show the help text of an image',
    examples: ['davit run-help lab.sif', 'davit run-help --app client lab.sif'],
    args: [1, 1],
    load: () => import('./image/inspect'),
  },
];
