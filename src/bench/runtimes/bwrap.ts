/** bubblewrap on the unpacked root directory, with the binds of davit. It stays in the foreground. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerCommand } from '../peers';
import type { Setting } from './contestant';
import { type PeerKind, payloads } from './peer';

const RUNTIME = 'bwrap';

export function bwrapKind(setting: Setting, { program }: PeerCommand, rootfs: string): PeerKind {
  const { shared, place } = setting;
  const { once, holding } = payloads(setting, RUNTIME);
  const words = [program, '--ro-bind', rootfs, '/'];
  for (const path of ['/dev', '/proc', '/sys', '/tmp', '/var/tmp', setting.env.HOME ?? '']) {
    // Mount points cannot be made in a read-only root directory.
    if (path === '' || !existsSync(join(rootfs, path))) continue;
    words.push(path === '/dev' ? '--dev-bind' : '--bind', path, path);
  }
  for (const path of ['/etc/hosts', '/etc/resolv.conf', '/etc/localtime']) {
    if (existsSync(join(rootfs, path))) words.push('--ro-bind-try', path, path);
  }
  words.push('--bind', shared, place);
  // An instance has process and IPC namespaces of its own.
  const apart = ['--unshare-pid', '--unshare-ipc', '--die-with-parent'];
  return {
    runtime: RUNTIME,
    label: 'bwrap',
    staysBehind: false,
    env: setting.env,
    stay: { begin: [{ wait: 'keep', words: [...words, ...apart, ...holding] }], end: ['end kept'] },
    once: { begin: [{ wait: 'ready', words: [...words, ...once] }], end: [] },
    sweep: () => undefined,
  };
}
