/** Who calls: read once, from the process and from small files. On the path of every launch. */
import { readFileSync, readOfCallerSync, statSync } from '../../observed-fs';
import { sawAccount } from '../../witness';
import type { Caller } from './options';

const CAP_SYS_ADMIN_BIT = 21n;
/** The initial user namespace maps every id onto itself (user_namespaces(7)). */
const IDENTITY_MAP = /^\s*0\s+0\s+4294967295\s*$/;

export interface CallerFiles {
  passwd?: string;
  group?: string;
}

/**
 * The calling user. An account that /etc/passwd lacks (LDAP, SSSD) is asked of the C library; an id that nobody knows
 * gets an entry made of its number and the environment.
 */
export function readCaller(env: Record<string, string | undefined> = process.env, files: CallerFiles = {}): Caller {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const groups = process.getgroups?.() ?? [gid];
  const physicalCwd = currentDirectory(env);
  return {
    uid,
    gid,
    groups,
    user: findUser(uid, env, files.passwd ?? '/etc/passwd'),
    groupNames: findGroupNames([gid, ...groups], files.group ?? '/etc/group'),
    cwd: logicalCwd(env.PWD, physicalCwd),
    physicalCwd,
    env,
    umask: process.umask(),
    get hostname() {
      return hostname();
    },
    privileged: uid === 0 && holdsHost(),
  };
}

/** getcwd(2); a directory that has been removed meanwhile has no name: then "/" does. */
function currentDirectory(env: Readonly<Record<string, string | undefined>>): string {
  try {
    return process.cwd();
  } catch {
    return env.PWD?.startsWith('/') ? env.PWD : '/';
  }
}

/** The name that the caller's shell uses, links and all, if it still names the same directory. */
export function logicalCwd(pwd: string | undefined, physical: string): string {
  if (pwd === undefined || pwd === physical || !pwd.startsWith('/')) return physical;
  try {
    const a = statSync(pwd);
    const b = statSync('.');
    return a.dev === b.dev && a.ino === b.ino ? pwd : physical;
  } catch {
    // gone, or behind a directory that may not be entered
    return physical;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Fields of the line of passwd(5) whose third field is `uid`. */
export function passwdLine(text: string, uid: number): string[] | undefined {
  const wanted = `:${uid}:`;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    const start = text.lastIndexOf('\n', at) + 1;
    const end = text.indexOf('\n', at);
    const fields = text.slice(start, end < 0 ? undefined : end).split(':');
    if (fields.length >= 7 && fields[2] === String(uid) && fields[0] !== '' && !fields[0]?.startsWith('#'))
      return fields;
  }
  return undefined;
}

function findUser(uid: number, env: Readonly<Record<string, string | undefined>>, passwd: string): Caller['user'] {
  const fields = passwdLine(readText(passwd), uid);
  if (fields) {
    const [name = '', , , , gecos = '', home = '', shell = ''] = fields;
    return { name, gecos, home: home || '/', shell: shell || '/bin/sh' };
  }
  return askLibrary(uid, env) ?? synthesise(uid, env);
}

/** getpwuid_r(3) through Node: reaches every source of nsswitch.conf. */
function askLibrary(uid: number, env: Readonly<Record<string, string | undefined>>): Caller['user'] | undefined {
  try {
    // Loaded here and not at the top: accounts outside /etc/passwd alone need it.
    const { userInfo } = require('node:os') as typeof import('node:os');
    sawAccount(env);
    const info = userInfo();
    if (info.uid !== uid || info.username === '') return undefined;
    return { name: info.username, gecos: '', home: info.homedir || '/', shell: info.shell || '/bin/sh' };
  } catch {
    return undefined;
  }
}

function synthesise(uid: number, env: Readonly<Record<string, string | undefined>>): Caller['user'] {
  const given = env.USER ?? env.LOGNAME ?? '';
  const home = env.HOME?.startsWith('/') ? env.HOME : '/';
  const shell = env.SHELL?.startsWith('/') ? env.SHELL : '/bin/sh';
  return { name: isAccountName(given) ? given : String(uid), gecos: '', home: oneLine(home), shell: oneLine(shell) };
}

/** Text that can stand in a field of passwd(5). */
function isAccountName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?$/.test(text);
}

function oneLine(text: string): string {
  return /[:\n]/.test(text) ? '/' : text;
}

/** Names of these groups, as far as group(5) has them. */
function findGroupNames(gids: number[], path: string): Record<number, string> {
  const wanted = new Set(gids);
  const names: Record<number, string> = {};
  const text = readText(path);
  for (const gid of wanted) {
    const field = `:${gid}:`;
    for (let at = text.indexOf(field); at >= 0; at = text.indexOf(field, at + 1)) {
      const start = text.lastIndexOf('\n', at) + 1;
      const [name = '', , number] = text.slice(start, at + field.length).split(':');
      if (number !== String(gid) || name === '' || name.startsWith('#')) continue;
      names[gid] = name;
      break;
    }
  }
  return names;
}

/** uid 0 that really is root here: loop devices and kernel squashfs are refused in a user namespace. */
function holdsHost(): boolean {
  if (!IDENTITY_MAP.test(readText('/proc/self/uid_map').replace(/\n$/, ''))) return false;
  const caps = /^CapEff:\s*([0-9a-f]+)$/m.exec(readStatus())?.[1];
  return caps !== undefined && ((BigInt(`0x${caps}`) >> CAP_SYS_ADMIN_BIT) & 1n) === 1n;
}

function readStatus(): string {
  try {
    return readOfCallerSync('/proc/self/status');
  } catch {
    return '';
  }
}

function hostname(): string {
  return (readText('/proc/sys/kernel/hostname') || 'localhost').trim();
}
