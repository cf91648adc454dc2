// Writes dist/{cli,ask,cold}.cache: V8's compiled code of the bundles of the same name, made after representative runs of
// commands. None of them changes anything: nothing is launched (see entry/cache-run.cjs), and the state directory
// is a temporary one.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { die, isMain, root } from './lib.mjs';

/** V8 refuses a cache that was made with other flags than those that the launcher starts Node with. */
const nodeFlags = ['--no-rehash-snapshot'];
const frontDoor = join(root, 'native/launcher/front_door.cc');

const dist = join(root, 'dist');

const ROOT = 0;
const PLAIN_USER = 1000;
/** Its record is there, and the runs take it for alive. */
const INSTANCE = 'code-cache';

/** Runs each command once; the exit status does not matter, what was compiled does. */
export async function writeCodeCache() {
  if (!existsSync(join(dist, 'cli.cjs'))) return;
  const source = readFileSync(frontDoor, 'utf8');
  if (!nodeFlags.every((flag) => source.includes(`"${flag}"`)))
    die('scripts/code-cache.mjs and native/launcher/front_door.cc disagree on the flags of Node');
  const work = mkdtempSync(join(tmpdir(), 'davit-cache-'));
  try {
    const sandbox = makeSandbox(join(work, 'image'));
    const images = [makeSif(sandbox, work), sandbox].filter((path) => path !== undefined);
    await makeRecord(join(work, 'state'));
    const run = (name, args, env) => runOnce(name, work, args, env);
    for (const uid of [ROOT, PLAIN_USER]) {
      for (const args of launches(images)) run('cli', args, { DAVIT_CACHE_UID: String(uid) });
    }
    for (const args of instanceRuns) run('cli', args, { DAVIT_CACHE_UID: String(process.getuid()) });
    for (const args of askingRuns(images)) run('ask', args, {});
    for (const args of coldRuns(images, work)) run('cold', args, {});
    for (const name of ['cli', 'ask', 'cold']) moveCache(`${name}.cache`, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function launches(images) {
  return [
    ...images.flatMap((image) => [
      ['exec', image, 'true'],
      ['instance', 'start', image, 'new'],
    ]),
    ['instance', 'start', '--bind', '/tmp', images[0], 'new'],
    ['run', images[0]],
    ['shell', images[0]],
  ];
}

const instanceRuns = [
  ['instance', 'list'],
  ['exec', `instance://${INSTANCE}`, 'true'],
  ['instance', 'stop', INSTANCE],
  ['--version'],
];

function askingRuns(images) {
  return [
    ['instance', 'logs', INSTANCE],
    ['instance', 'logs', '--err', INSTANCE],
    ['cache', 'list'],
    ['cache', 'list', '--verbose'],
    ...images.flatMap((image) => [
      ['inspect', image],
      ['inspect', '--json', '--all', image],
      ['inspect', '--runscript', image],
    ]),
  ];
}

function coldRuns([image, sandbox = image], work) {
  return [
    ['sif', 'list', image],
    ['image', 'list'],
    ['build', join(work, 'built.sif'), sandbox],
  ];
}

function runOnce(name, work, args, more) {
  const env = environment(work, { DAVIT_STATE_DIR: join(work, 'state'), ...more });
  const script = join(root, 'scripts/entry/cache-run.cjs');
  const files = [join(dist, `${name}.cjs`), join(work, `${name}.cache`)];
  spawnSync(process.execPath, [...nodeFlags, script, ...files, ...args], {
    cwd: work,
    env,
    stdio: 'ignore',
    timeout: 20_000,
  });
}

function environment(work, more) {
  // DAVIT_FRONT as the front door sets it (native/launcher/front_door.cc).
  return { PATH: process.env.PATH, HOME: work, USER: 'root', LANG: 'C.UTF-8', DAVIT_FRONT: '1024:0', ...more };
}

function makeSandbox(directory) {
  mkdirSync(join(directory, '.singularity.d/env'), { recursive: true });
  for (const name of ['runscript', 'startscript']) {
    writeFileSync(join(directory, '.singularity.d', name), '#!/bin/sh\nexec /bin/true\n', { mode: 0o755 });
  }
  return directory;
}

/** @returns the image, or `undefined` where it cannot be built: then starts from images compile more than they need */
function makeSif(sandbox, work) {
  const image = join(work, 'image.sif');
  const entry = join(root, 'dist/davit.cjs');
  const { status, stderr } = spawnSync(process.execPath, [entry, 'build', image, sandbox], {
    cwd: work,
    env: environment(work, {}),
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (status === 0) return image;
  process.stdout.write(`dist/cli.cache: without what SIF images need: the build of one failed\n${stderr}`);
  return undefined;
}

/** The record of an instance that has never been (src/schema/record.proto). */
async function makeRecord(stateDir) {
  const protobuf = createRequire(import.meta.url)('protobufjs');
  const schema = await protobuf.load(join(root, 'src/schema/record.proto'));
  const record = schema.lookupType('davit.InstanceRecord').encode({
    format: 1,
    davitVersion: '0.0.0',
    name: INSTANCE,
    uid: process.getuid(),
    user: 'root',
    image: '/image.sif',
    imageName: 'image.sif',
    driver: 'squashfs',
    home: '/root',
    pid: process.pid,
    pidStartTime: startTime(process.pid),
    keeperPid: process.pid,
    keeperStartTime: 1,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    startedAtMs: 1,
    logOut: '/log.out',
    logErr: '/log.err',
  });
  const directory = join(stateDir, 'instances', INSTANCE);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'record.pb'), record.finish());
  mkdirSync(join(stateDir, 'logs'), { mode: 0o700 });
  for (const kind of ['out', 'err']) writeFileSync(join(stateDir, 'logs', `${INSTANCE}.${kind}`), 'a line\n');
}

/** Field 22 of proc_pid_stat(5), behind the name in parentheses. */
function startTime(pid) {
  return Number(
    readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')[19],
  );
}

/** The new cache takes the place of the old one at once, also when /tmp is another file system. */
function moveCache(name, work) {
  const fresh = join(work, name);
  if (!existsSync(fresh)) return;
  const near = join(dist, `${name}.new`);
  writeFileSync(near, readFileSync(fresh));
  renameSync(near, join(dist, name));
  process.stdout.write(`dist/${name}: ${statSync(join(dist, name)).size} bytes for Node ${process.versions.node}\n`);
}

if (isMain(import.meta.url)) await writeCodeCache();
