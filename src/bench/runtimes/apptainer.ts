/** Apptainer: instances and commands on the image itself. */
import { readFileSync } from 'node:fs';
import { callPeer, type PeerCommand } from '../peers';
import { payloadArguments, type Setting } from './contestant';
import { type PeerKind, payloads } from './peer';

const RUNTIME = 'apptainer';
/** capabilities(7) */
const CAP_SYS_RESOURCE = 24n;

/**
 * @param image a SIF file or a directory
 * @param configDir where it keeps its instances and its configuration meanwhile
 */
export function apptainerKind(setting: Setting, command: PeerCommand, image: string, configDir: string): PeerKind {
  const { program } = command;
  const { shared, place, namePrefix } = setting;
  const env = { ...setting.env, APPTAINER_CONFIGDIR: configDir, ...droppedCapabilities() };
  const bind = ['--bind', `${shared}:${place}`];
  const script = ['--bind', `${shared}/davit-ready:/.singularity.d/startscript`];
  const { once } = payloads(setting, RUNTIME);
  const name = `${namePrefix}@N@`;
  const start = [program, 'instance', 'start', ...bind, ...script, image, name];
  return {
    runtime: RUNTIME,
    label: 'apptainer',
    staysBehind: true,
    env,
    stay: {
      begin: [{ wait: 'ready', words: [...start, ...payloadArguments(setting, RUNTIME, true)] }],
      end: [{ wait: 'exit', words: [program, 'instance', 'stop', name] }],
    },
    once: { begin: [{ wait: 'ready', words: [program, 'exec', ...bind, image, ...once] }], end: [] },
    enter: (holder) => ({
      begin: [{ wait: 'ready', words: [program, 'exec', `instance://${namePrefix}${holder}`, ...once] }],
      end: [],
    }),
    sweep: () => void callPeer(command, ['instance', 'stop', `${namePrefix}*`], { env }),
  };
}

/** As root it stops where the machine's root lacks the capability, unless it is told not to ask for it. */
function droppedCapabilities(): Record<string, string> {
  if (process.getuid?.() !== 0) return {};
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const has = (BigInt(`0x${bounding}`) >> CAP_SYS_RESOURCE) & 1n;
  return has ? {} : { APPTAINER_DROP_CAPS: 'CAP_SYS_RESOURCE' };
}
