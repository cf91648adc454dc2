/** podman on the unpacked root directory (--rootfs), with storage of its own and the network of the host. */
import { join } from 'node:path';
import { callPeer, type PeerCommand } from '../peers';
import type { Setting } from './contestant';
import { type PeerKind, payloads } from './peer';

const RUNTIME = 'podman';

/** @param work a directory of its own, for its storage */
export function podmanKind(setting: Setting, command: PeerCommand, rootfs: string, work: string): PeerKind {
  const { shared, place, namePrefix } = setting;
  const global = ['--root', join(work, 'root'), '--runroot', join(work, 'run'), '--tmpdir', join(work, 'tmp')];
  global.push('--cgroup-manager', 'cgroupfs', '--events-backend', 'none');
  const words = [command.program, ...global];
  const options = ['--rm', '--network', 'host', '--cgroups', 'disabled', '--log-driver', 'none', '--read-only'];
  options.push('--volume', `${shared}:${place}`);
  const name = `${namePrefix}@N@`;
  const { once, holding } = payloads(setting, RUNTIME);
  const env = { ...setting.env, XDG_RUNTIME_DIR: work };
  return {
    runtime: RUNTIME,
    label: 'podman',
    staysBehind: true,
    env,
    stay: {
      begin: [
        {
          wait: 'ready',
          words: [...words, 'run', '--detach', ...options, '--name', name, '--rootfs', rootfs, ...holding],
        },
      ],
      end: [{ wait: 'exit', words: [...words, 'stop', name] }],
    },
    once: {
      begin: [{ wait: 'ready', words: [...words, 'run', ...options, '--name', name, '--rootfs', rootfs, ...once] }],
      end: [],
    },
    enter: (holder) => ({
      begin: [{ wait: 'ready', words: [...words, 'exec', `${namePrefix}${holder}`, ...once] }],
      end: [],
    }),
    sweep: () => void callPeer(command, [...global, 'rm', '--force', '--all', '--time', '0'], { env }),
  };
}
