// What every question needs: the images, the users, the peers, and an end that leaves nothing behind.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { findApptainer, findBwrap, findCrun } from './peers.mjs';
import { expectSuccess, placeRunner, root, Timer } from './clock.mjs';

export const davit = join(root, 'bin/davit');
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const testUsers = [process.env.DAVIT_TEST_USER, 'hpc', 'davit-test'];

/** A temporary directory with timer and images, and a Subject for each user that can be measured. */
export function openBench() {
  const temporary = mkdtempSync('/tmp/davit-bench-');
  chmodSync(temporary, 0o755);
  const bench = { ...makeOrClean(temporary), temporary, subjects: [], skips: new Set(), closers: [] };
  bench.skip = (text) => {
    if (!bench.skips.has(text)) process.stderr.write(`skip: ${text}\n`);
    bench.skips.add(text);
  };
  const { uid, gid, homedir, username } = userInfo();
  bench.subjects.push(subject(bench, { name: uid === 0 ? 'root' : username, uid, gid, home: homedir }));
  const other = uid === 0 ? testUser() : undefined;
  if (other) bench.subjects.push(subject(bench, other, { user: `${other.uid}:${other.gid}` }));
  else if (uid === 0) bench.skip('plain user: no user DAVIT_TEST_USER, hpc or davit-test here');
  else bench.skip('root: not run as root');
  bench.crun = findCrun(bench);
  bench.bwrap = findBwrap(bench);
  bench.apptainer = findApptainer(bench);
  return bench;
}

/** All that is made lies where every user and every peer sees it. */
function makeOrClean(temporary) {
  try {
    placeRunner(temporary);
    return makeImages(temporary);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Stops what still runs, ends the timers, removes the temporary directory. */
export async function closeBench(bench) {
  for (const closer of bench.closers.reverse()) {
    try {
      await closer();
    } catch (error) {
      process.stderr.write(`bench: ${error.message}\n`);
    }
  }
  rmSync(bench.temporary, { recursive: true, force: true });
}

function testUser() {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const wanted of testUsers.filter(Boolean)) {
    const fields = lines.find((line) => line.startsWith(`${wanted}:`))?.split(':');
    if (fields) return { name: wanted, uid: Number(fields[2]), gid: Number(fields[3]), home: fields[5] };
  }
  return undefined;
}

/** One user with a clean environment, a timer and a state directory of its own. */
function subject(bench, user, identity = {}) {
  const own = join(bench.temporary, user.name);
  mkdirSync(own, { mode: 0o700 });
  if (process.getuid() === 0) chownSync(own, user.uid, user.gid);
  const clean = { PATH: systemPath, HOME: user.home };
  const env = { ...clean, DAVIT_STATE_DIR: join(own, 'state') };
  const timer = new Timer({ directory: '/tmp', ...identity });
  const run = async (command, variables, options) =>
    expectSuccess(command, await timer.run(command, variables, options));
  const made = { ...user, group: user.name, own, clean, env, identity, timer };
  made.node = () => run([process.execPath, '-e', '0'], clean);
  made.davit = (...args) => run([davit, ...args], env);
  // Without the plan cache: what a launch costs that is not the repetition of another (docs/plan-cache.md).
  made.compiled = (...args) => run([davit, ...args], { ...env, DAVIT_PLAN_CACHE: 'off' });
  made.command = (...command) => run(command, clean);
  // Any program that uses this subject's instances.
  made.withState = (options, ...command) => run(command, env, options);
  // The environment as the caller of the measurement has it: certificates for Node, its options, whatever a site sets.
  const here = { ...process.env, DAVIT_STATE_DIR: env.DAVIT_STATE_DIR };
  made.here = { node: () => run([process.execPath, '-e', '0'], here), davit: (...args) => run([davit, ...args], here) };
  made.instances = async () =>
    JSON.parse((await run([davit, 'instance', 'list', '--json'], env, { output: true })).out).instances;
  bench.closers.push(async () => {
    if ((await made.instances()).length > 0) await made.davit('instance', 'stop', '--all');
    await timer.close();
  });
  return made;
}

/** A busybox root directory and SIFs of it: one to be held in use, one for first uses. */
function makeImages(work) {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
  if (!busybox) throw new Error('no busybox here; Debian has it in busybox-static');
  const sandbox = join(work, 'busybox');
  const folders = ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'sys', 'tmp', 'var/tmp', 'run', '.singularity.d/env'];
  for (const folder of folders) mkdirSync(join(sandbox, folder), { recursive: true });
  const user = testUser();
  if (user) mkdirSync(join(sandbox, user.home), { recursive: true });
  copyFileSync(busybox, join(sandbox, 'bin/busybox'));
  for (const name of ['sh', 'sleep', 'true']) symlinkSync('busybox', join(sandbox, 'bin', name));
  for (const name of ['hosts', 'resolv.conf', 'localtime']) writeFileSync(join(sandbox, 'etc', name), '');
  writeFileSync(join(sandbox, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(sandbox, 'etc/group'), 'root:x:0:\n');
  writeFileSync(join(sandbox, '.singularity.d/env/90-environment.sh'), '#!/bin/sh\nexport BENCH=busybox\n', {
    mode: 0o755,
  });
  writeFileSync(join(sandbox, '.singularity.d/startscript'), '#!/bin/sh\nexec /bin/sleep 1000000\n', { mode: 0o755 });
  symlinkSync('.singularity.d/env/90-environment.sh', join(sandbox, 'environment'));
  const image = join(work, 'busybox.sif');
  const state = { ...process.env, DAVIT_STATE_DIR: join(work, 'state') };
  execFileSync(davit, ['--silent', 'build', image, sandbox], { env: state, stdio: 'inherit' });
  const first = join(work, 'first-use.sif');
  copyFileSync(image, first);
  // Apptainer attaches a loop device of its own to an image: it must not be counted as one of davit's.
  const peerImage = join(work, 'peer.sif');
  copyFileSync(image, peerImage);
  // A launch of an image that was changed within the last two seconds is not remembered.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3100);
  return { sandbox, image, first, peerImage };
}

/** How many loop devices have this file. */
export function loopDevices(image) {
  return readdirSync('/sys/block').filter((name) => {
    const path = `/sys/block/${name}/loop/backing_file`;
    return existsSync(path) && readFileSync(path, 'utf8').trim() === image;
  }).length;
}

/** Until the kernel has let go of an image, so that the next start is a first use again. */
export async function untilUnused(image) {
  const end = Date.now() + 5000;
  while (loopDevices(image) > 0) {
    if (Date.now() > end) throw new Error(`${image} still has a loop device 5 s after its last instance`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
