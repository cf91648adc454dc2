// The plain user that integration tests run as when the tests are started by root.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { die, root, run, which } from './lib.mjs';

/**
 * The user: $DAVIT_TEST_USER, else `davit-test`; created when there is none, with sub-ids for --fakeroot.
 * @returns { name, uid, gid, home }
 */
export function testUser() {
  const name = process.env.DAVIT_TEST_USER || 'davit-test';
  if (!lookUp(name)) {
    if (!which('useradd'))
      die(`there is no user "${name}" and no useradd`, 'create a plain user and name it in DAVIT_TEST_USER');
    run('useradd', ['--create-home', '--shell', '/bin/bash', name]);
  }
  for (const [file, option] of [
    ['/etc/subuid', '--add-subuids'],
    ['/etc/subgid', '--add-subgids'],
  ]) {
    if (!hasRange(file, name) && which('usermod')) run('usermod', [option, freeRange(file), name], { check: false });
  }
  return lookUp(name);
}

/**
 * Runs `action(directory)` with a directory that the user can read: the project's own, or a copy of what tests need when
 * the project lies below a directory that is closed to others, such as root's home.
 */
export function withReadableProject(user, action) {
  const readable = asUser(user, 'test', ['-r', join(root, 'package.json')], { stdio: 'ignore' }).status === 0;
  if (readable) return action(root);
  const copy = mkdtempSync('/var/tmp/davit-test-');
  try {
    run('chmod', ['0755', copy], { echo: false });
    for (const name of projectParts())
      cpSync(join(root, name), join(copy, name), { recursive: true, verbatimSymlinks: true });
    return action(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** spawnSync as that user: its ids, its groups, a clean environment of its own. */
export function asUser(user, command, args, { env = {}, ...options } = {}) {
  const ids = ['--reuid', String(user.uid), '--regid', String(user.gid), '--init-groups', '--inh-caps=-all'];
  const own = {
    PATH: process.env.PATH,
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: '/bin/bash',
    ...env,
  };
  return spawnSync('setpriv', [...ids, '--', command, ...args], { cwd: user.home, ...options, env: own });
}

function projectParts() {
  const top = readdirSync(root).filter((name) => !['.git', 'build'].includes(name));
  return [...top, 'build/Release', 'build/generated', 'build/fixtures'].filter((name) => existsSync(join(root, name)));
}

function lookUp(name) {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${name}:`));
  const found = line ?? spawnSync('getent', ['passwd', name], { encoding: 'utf8' }).stdout?.trim();
  if (!found) return undefined;
  const [, , uid, gid, , home] = found.split(':');
  return { name, uid: Number(uid), gid: Number(gid), home };
}

function hasRange(file, name) {
  return ranges(file).some((range) => range.name === name);
}

function freeRange(file) {
  const first = Math.max(100_000, ...ranges(file).map((range) => range.first + range.count));
  return `${first}-${first + 65_535}`;
}

function ranges(file) {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // no such file: no ranges
  }
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name, first, count] = line.split(':');
      return { name, first: Number(first), count: Number(count) };
    });
}
