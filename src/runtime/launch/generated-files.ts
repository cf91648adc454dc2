/** Small files that a launch makes: name resolution, accounts, host name. */
import { RuntimeError } from '../../errors';
import { existsSync } from '../../observed-fs';
import type { MountContext } from './mount-context';

const RESOLV_CONF = '/etc/resolv.conf';
/** Labels of letters, digits and inner hyphens, at most 63 characters each (RFC 1123). */
const HOSTNAME =
  /^(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;
const IPV6 = /^(?=.*:)[0-9A-Fa-f:]{2,39}(%[\w.]+)?$/;

/** resolv.conf: the host's as it is now, or the servers of --dns. */
export function addResolvConf({ steps, options, config, noMount, writable }: MountContext): void {
  if (!config.configResolvConf || noMount.has(RESOLV_CONF)) return;
  if (options.dns !== undefined) {
    steps.push({ file: { target: RESOLV_CONF, bytes: Buffer.from(resolvConf(options.dns)), optional: writable } });
  } else if (existsSync(RESOLV_CONF)) {
    steps.push({ file: { target: RESOLV_CONF, copyOf: RESOLV_CONF, optional: writable } });
  }
}

function resolvConf(dns: string): string {
  const servers = dns
    .split(',')
    .map((server) => server.trim())
    .filter((server) => server !== '');
  for (const server of servers) {
    if (IPV4.test(server) || IPV6.test(server)) continue;
    throw new RuntimeError('OPTION', `dns ip ${server} is not a valid IP address`, {
      path: '--dns',
      hint: 'give addresses, separated by commas',
    });
  }
  return servers.map((server) => `nameserver ${server}\n`).join('');
}

/**
 * passwd and group: the image's own with the caller's lines. Not for root where changes are kept: then the image's
 * files are edited by those who run in it.
 */
export function addAccounts(ctx: MountContext): void {
  const { steps, config, caller, namespaces, home } = ctx;
  const { inside } = namespaces;
  if (inside.uid === 0 && ctx.changeable) return;
  const isSelf = inside.uid === caller.uid;
  const user = isSelf ? caller.user : { name: 'root', gecos: 'root', shell: '/bin/sh' };
  if (config.configPasswd) {
    const { name, gecos, shell } = user;
    const passwd = { ...inside, name, gecos, home: home.target, shell, keepName: inside.uid === 0 };
    steps.push({ file: { target: '/etc/passwd', passwd, optional: true } });
  }
  if (config.configGroup) {
    const groups = isSelf ? callerGroups(ctx) : [{ gid: 0, name: 'root' }];
    steps.push({ file: { target: '/etc/group', group: { user: user.name, groups }, optional: true } });
  }
}

/** The caller's groups that have a name on the host. */
function callerGroups({ caller, notes }: MountContext): { gid: number; name: string }[] {
  const groups: { gid: number; name: string }[] = [];
  for (const gid of new Set([caller.gid, ...caller.groups])) {
    const name = caller.groupNames[gid];
    if (name !== undefined) groups.push({ gid, name });
    else notes.verbose(`Group ${gid} has no name on this host: not added to /etc/group`);
  }
  return groups;
}

export function addHostnameFile({ steps, options, namespaces, writable }: MountContext): void {
  if (options.hostname === undefined || !namespaces.namespaces.uts) return;
  steps.push({ file: { target: '/etc/hostname', bytes: Buffer.from(`${options.hostname}\n`), optional: writable } });
}

/** @throws RuntimeError OPTION */
export function checkHostname(name: string | undefined): void {
  if (name === undefined || HOSTNAME.test(name)) return;
  throw new RuntimeError('OPTION', `unable to add ${name} to hostname file: ${name} is not a valid hostname`, {
    path: '--hostname',
    hint: 'use letters, digits and inner hyphens, labels separated by dots',
  });
}
