/** A Debian with nginx, made once by mmdebstrap with the sources that apt of this machine has. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesDirectory } from './images';
import { davitPath, projectRoot } from './world';

/** Listens on 127.0.0.1 at the port that is its argument, as a daemon; the default site of the package is changed. */
const STARTSCRIPT = `#!/bin/sh
sed -i "s/listen 80 .*/listen 127.0.0.1:$1;/; /listen \\[::\\]/d" /etc/nginx/sites-available/default
exec nginx
`;

const sharedImage = join(projectRoot, 'build/fixtures/nginx.sif');

/** Path of the image; a minute of work when it is not there yet. Only root can make it: mmdebstrap extracts as root. */
export function nginxImage(): string {
  // A plain user uses what root's tests have made.
  if (existsSync(sharedImage)) return sharedImage;
  const path = join(fixturesDirectory(), 'nginx.sif');
  if (existsSync(path)) return path;
  const work = `${path}.${process.pid}`;
  const rootfs = `${work}.rootfs`;
  try {
    const options = ['--variant=minbase', '--mode=root', '--include=nginx-light', '--quiet'];
    execFileSync('mmdebstrap', [...options, 'bookworm', rootfs, ...aptSources()], { stdio: 'pipe' });
    // As in the official image: the directories that the service writes to are root's, so that they are the user's own
    // in an instance of a plain user.
    execFileSync('chown', ['-R', 'root:root', join(rootfs, 'var/lib/nginx'), join(rootfs, 'var/log/nginx')]);
    mkdirSync(join(rootfs, '.singularity.d'), { recursive: true });
    writeFileSync(join(rootfs, '.singularity.d/startscript'), STARTSCRIPT);
    chmodSync(join(rootfs, '.singularity.d/startscript'), 0o755);
    execFileSync(davitPath, ['-q', 'build', '--force', work, rootfs], { stdio: 'pipe' });
    renameSync(work, path);
    return path;
  } finally {
    rmSync(rootfs, { recursive: true, force: true });
    rmSync(work, { force: true });
  }
}

/** Whether a plain user finds the image that root's tests have made. */
export function hasNginxImage(): boolean {
  return existsSync(sharedImage);
}

/** The deb822 files that apt has, or its sources.list. */
function aptSources(): string[] {
  const directory = '/etc/apt/sources.list.d';
  const files = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.sources')) : [];
  return files.length > 0 ? files.map((name) => join(directory, name)) : ['/etc/apt/sources.list'];
}
