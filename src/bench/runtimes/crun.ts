/** crun: bundles on the unpacked root directory, with the mounts of `crun spec`. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callPeer, type PeerCommand } from '../peers';
import { payload, type Setting } from './contestant';
import { type PeerKind, payloads } from './peer';

const RUNTIME = 'crun';

interface OciConfig {
  root: { path: string; readonly: boolean };
  process: { terminal: boolean; args: string[]; rlimits?: unknown };
  mounts: { destination: string; type?: string; source: string; options: string[] }[];
  linux: { resources?: unknown };
}

/** @param work a directory of its own, for bundles and state */
export function crunKind(setting: Setting, command: PeerCommand, rootfs: string, work: string): PeerKind {
  const { namePrefix } = setting;
  // The payload's FIFO is that of the slot, and its words stand in the bundle.
  for (const hold of [true, false]) {
    for (let slot = 0; slot < setting.slots; slot++) makeBundle(bundleOf(work, hold, String(slot)), slot, hold);
  }
  // Without cgroups: their rules for devices need a right that some machines do not give, and davit makes none either.
  const state = join(work, 'state');
  const global = ['--cgroup-manager=disabled', '--root', state];
  const words = [command.program, ...global];
  const name = `${namePrefix}@N@`;
  const { once } = payloads(setting, RUNTIME);
  const env = { ...setting.env, XDG_RUNTIME_DIR: work };

  function makeBundle(bundle: string, slot: number, hold: boolean): void {
    mkdirSync(bundle, { recursive: true });
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    callPeer(command, ['spec', ...rootless], { cwd: bundle });
    const file = join(bundle, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as OciConfig;
    config.root = { path: rootfs, readonly: true };
    const args = payload(setting, RUNTIME, hold).map((word) => word.replace('@S@', String(slot)));
    config.process = { ...config.process, terminal: false, args };
    delete config.process.rlimits;
    delete config.linux.resources;
    config.mounts = config.mounts.filter(({ type }) => type !== 'cgroup');
    config.mounts.push({ destination: setting.place, source: setting.shared, options: ['bind', 'rw'] });
    writeFileSync(file, JSON.stringify(config));
  }

  return {
    runtime: RUNTIME,
    label: 'crun',
    staysBehind: true,
    env,
    stay: {
      begin: [
        { wait: 'exit', words: [...words, 'create', '--bundle', bundleOf(work, true, '@S@'), name] },
        { wait: 'ready', words: [...words, 'start', name] },
      ],
      end: [{ wait: 'exit', words: [...words, 'delete', '--force', name] }],
    },
    once: {
      begin: [{ wait: 'ready', words: [...words, 'run', '--bundle', bundleOf(work, false, '@S@'), name] }],
      end: [],
    },
    enter: (holder) => ({
      begin: [{ wait: 'ready', words: [...words, 'exec', `${namePrefix}${holder}`, ...once] }],
      end: [],
    }),
    sweep: () => {
      for (const left of readdirSync(state)) callPeer(command, [...global, 'delete', '--force', left], { env });
    },
  };
}

function bundleOf(work: string, hold: boolean, slot: string): string {
  return join(work, `bundle-${hold ? 'holding' : 'once'}-${slot}`);
}
