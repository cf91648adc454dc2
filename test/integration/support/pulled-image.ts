/** A small image for registries: a busybox, layers that change one another, and a configuration that shows. */
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { findProgram } from './capabilities';
import { makeLayout, makeTree, type RegistryRoom } from './registry';

const PROGRAMS = ['sh', 'cat', 'echo', 'env', 'id', 'ls', 'sleep', 'test', 'touch'];

/** What tests with registries need of the machine. */
export const REGISTRY = ['busybox', 'docker-registry', 'skopeo', 'umoci', 'openssl'] as const;

/**
 * Two layers; the second changes /etc/motd. The command is `echo from the image` with GREETING=hello.
 * @returns `LAYOUT:TAG`
 */
export function makeImage(room: RegistryRoom): string {
  const busybox = findProgram('busybox');
  if (busybox === undefined) throw new Error('busybox is not on PATH');
  mkdirSync(room.path('base/bin'), { recursive: true });
  copyFileSync(busybox, room.path('base/bin/busybox'));
  for (const name of PROGRAMS) symlinkSync('busybox', room.path('base/bin', name));
  makeTree(room, 'base', {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'etc/group': 'root:x:0:\n',
    'etc/motd': 'of the lower layer\n',
  });
  makeTree(room, 'upper', { 'etc/motd': 'of the upper layer\n' });
  return makeLayout(room, 'layout', {
    layers: ['base', 'upper'],
    config: [
      '--config.entrypoint=/bin/echo',
      '--config.cmd=from the image',
      '--config.env=PATH=/bin:/usr/bin',
      '--config.env=GREETING=hello',
      '--config.label=org.example.purpose=tests',
    ],
  });
}
