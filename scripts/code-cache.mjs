// Writes dist/cli.cache: V8's compiled code of dist/cli.cjs, made after representative runs of the hot commands. None of
// them changes anything: plans are only printed, and the state directory is a temporary one.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { die, isMain, root } from './lib.mjs';

/** V8 refuses a cache that was made with other flags than those that the launcher starts Node with. */
const nodeFlags = ['--no-rehash-snapshot'];
const frontDoor = join(root, 'native/launcher/front_door.cc');

const cli = join(root, 'dist/cli.cjs');
const cache = join(root, 'dist/cli.cache');

/** Runs each hot command once; the exit status does not matter, what was compiled does. */
export function writeCodeCache() {
  if (!existsSync(cli)) return;
  const source = readFileSync(frontDoor, 'utf8');
  if (!nodeFlags.every((flag) => source.includes(`"${flag}"`)))
    die('scripts/code-cache.mjs and native/launcher/front_door.cc disagree on the flags of Node');
  const work = mkdtempSync(join(tmpdir(), 'davit-cache-'));
  try {
    const sandbox = makeSandbox(join(work, 'image'));
    const fresh = join(work, 'cli.cache');
    for (const args of representativeRuns(sandbox)) runOnce(fresh, work, args);
    if (!existsSync(fresh)) return;
    renameAcross(fresh, cache);
    process.stdout.write(`dist/cli.cache: ${statSync(cache).size} bytes for Node ${process.versions.node}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function representativeRuns(image) {
  return [
    ['--version'],
    ['exec', '--dry-run', image, 'true'],
    ['run', '--dry-run', image],
    ['shell', '--dry-run', image],
    ['instance', 'start', '--dry-run', '--bind', '/tmp', image, 'code-cache'],
    ['instance', 'list'],
    ['exec', 'instance://code-cache', 'true'],
    ['instance', 'stop', 'code-cache'],
  ];
}

function runOnce(fresh, work, args) {
  const env = { PATH: process.env.PATH, HOME: work, USER: 'root', DAVIT_STATE_DIR: join(work, 'state') };
  const script = join(root, 'scripts/entry/cache-run.cjs');
  spawnSync(process.execPath, [...nodeFlags, script, cli, fresh, ...args], {
    cwd: work,
    env,
    stdio: 'ignore',
    timeout: 20_000,
  });
}

function makeSandbox(directory) {
  mkdirSync(join(directory, '.singularity.d/env'), { recursive: true });
  for (const name of ['runscript', 'startscript']) {
    writeFileSync(join(directory, '.singularity.d', name), '#!/bin/sh\nexec /bin/true\n', { mode: 0o755 });
  }
  return directory;
}

/** The new cache takes the place of the old one at once, also when /tmp is another file system. */
function renameAcross(from, to) {
  const near = `${to}.new`;
  writeFileSync(near, readFileSync(from));
  renameSync(near, to);
}

if (isMain(import.meta.url)) writeCodeCache();
