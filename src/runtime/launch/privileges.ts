/** What the payload may do: capabilities(7), no_new_privs, set-user-id files. */
import { RuntimeError } from '../../errors';
import type { LaunchConfig } from '../config/directives';
import type { NamespacePlan } from './namespaces';
import type { Notes } from './notes';
import type { Caller, LaunchOptions } from './options';
import type { Step } from './plan';

/** In the order of their numbers: linux/capability.h. */
const CAPABILITIES = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service ' +
  'net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin ' +
  'sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override ' +
  'mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ');

/** Every number that a mask can hold without losing precision; the kernel ignores those it does not know. */
const ALL = (1n << 53n) - 1n;

/**
 * Refuses what only root may ask for.
 * @throws RuntimeError OPTION
 */
export function checkRootOptions(options: LaunchOptions, caller: Caller): void {
  const asked: [boolean, string][] = [
    [options.keepPrivs, '--keep-privs'],
    [options.allowSetuid, '--allow-setuid'],
  ];
  for (const [given, flag] of asked) {
    if (!given || caller.uid === 0) continue;
    throw new RuntimeError('OPTION', `Could not configure ${flag}: ${flag} requires root privileges`, {
      path: flag,
      hint: `leave ${flag} out, or launch as root`,
    });
  }
}

/** The privileges step, or none where the payload keeps what its caller has. */
export function privilegeSteps(
  options: LaunchOptions,
  caller: Caller,
  config: LaunchConfig,
  { namespaces, inside, fakeroot }: Pick<NamespacePlan, 'namespaces' | 'inside' | 'fakeroot'>,
  notes: Notes,
): Step[] {
  if (options.addCaps !== undefined && caller.uid !== 0) {
    notes.warning('--add-caps is ignored: a user payload has no capabilities');
  }
  const isUser = namespaces.user && inside.uid !== 0;
  if (isUser || options.noPrivs) return [{ privileges: { noNewPrivs: true, dropAll: true } }];
  const noNewPrivs = fakeroot && caller.uid !== 0;
  const keep = keepMask(options, config, namespaces.user, notes);
  if (keep === 0n) return [{ privileges: { noNewPrivs, dropAll: true } }];
  if (keep !== undefined) return [{ privileges: { noNewPrivs, keepMask: Number(keep) } }];
  return noNewPrivs ? [{ privileges: { noNewPrivs } }] : [];
}

/** Capabilities that stay; `undefined`: all that there are. */
function keepMask(
  options: LaunchOptions,
  config: LaunchConfig,
  userNamespace: boolean,
  notes: Notes,
): bigint | undefined {
  const none = !userNamespace && !options.keepPrivs && config.rootDefaultCapabilities !== 'full';
  const start = none ? parseCapabilities(options.addCaps ?? '', notes) : ALL;
  const keep = start & ~parseCapabilities(options.dropCaps ?? '', notes);
  return keep === ALL ? undefined : keep;
}

/** A mask of all but `dropCaps`; `undefined`: all. */
export function remainingCapabilities(dropCaps: string | undefined, notes: Notes): number | undefined {
  const left = ALL & ~parseCapabilities(dropCaps ?? '', notes);
  return left === ALL ? undefined : Number(left);
}

/** `CAP_NET_RAW,sys_admin` or `all` as a mask. Unknown names are warned of. */
export function parseCapabilities(text: string, notes: Notes): bigint {
  let mask = 0n;
  for (const word of text.split(',')) {
    const name = word.trim().toLowerCase().replace(/^cap_/, '');
    if (name === '') continue;
    if (name === 'all') return ALL;
    const bit = CAPABILITIES.indexOf(name);
    if (bit < 0) notes.warning(`ignoring unknown capability: CAP_${name.toUpperCase()}`);
    else mask |= 1n << BigInt(bit);
  }
  return mask;
}
