/** Whether this process may build a root directory itself. */
import { readFileSync } from 'node:fs';
import type { Caller } from '../../launch/options';

const CAP_SYS_ADMIN_BIT = 21n;

export type Rights =
  /** Root of the host. */
  | { kind: 'host'; inUserNamespace: false }
  /** Root of a user namespace, which may mount. */
  | { kind: 'namespace'; inUserNamespace: true }
  /** A user namespace has to be entered first. */
  | { kind: 'enter' };

export function rightsOf({ caller }: { caller: Pick<Caller, 'uid' | 'privileged'> }): Rights {
  if (caller.privileged) return { kind: 'host', inUserNamespace: false };
  if (caller.uid === 0 && mayMount()) return { kind: 'namespace', inUserNamespace: true };
  return { kind: 'enter' };
}

function mayMount(): boolean {
  try {
    const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return set !== undefined && ((BigInt(`0x${set}`) >> CAP_SYS_ADMIN_BIT) & 1n) === 1n;
  } catch {
    return false;
  }
}
