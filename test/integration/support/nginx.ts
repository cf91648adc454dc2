/** An image of a registry with Debian's nginx, made once by mmdebstrap with the sources that apt of this machine has. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { fixturesDirectory } from './images';
import { projectRoot } from './world';

const sharedLayout = join(projectRoot, 'build/fixtures/nginx-oci');

// As in the official image: the directories that the service writes to are root's, so that they are the user's own in an
// instance of a plain user.
const OWNERS = 'chroot "$1" chown -R root:root /var/lib/nginx /var/log/nginx';

/**
 * An OCI image layout with that image, as skopeo names it; a minute of work when it is not there yet. Only root can make
 * it: mmdebstrap extracts as root. A plain user uses what root's tests have made.
 */
export async function nginxLayout(): Promise<string> {
  if (existsSync(sharedLayout)) return `oci:${sharedLayout}:latest`;
  const path = join(fixturesDirectory(), 'nginx-oci');
  if (!existsSync(path)) {
    const work = `${path}.${process.pid}`;
    const tar = `${work}.tar`;
    try {
      const options = ['--variant=minbase', '--mode=root', '--include=nginx-light', '--quiet'];
      // Not execFileSync: a worker of vitest that is deaf for a minute is given up.
      await promisify(execFile)('mmdebstrap', [
        ...options,
        `--customize-hook=${OWNERS}`,
        'bookworm',
        tar,
        ...aptSources(),
      ]);
      writeLayout(work, readFileSync(tar));
      renameSync(work, path);
    } finally {
      rmSync(work, { recursive: true, force: true });
      rmSync(tar, { force: true });
    }
  }
  return `oci:${path}:latest`;
}

/** Whether a plain user finds the image that root's tests have made. */
export function hasNginxLayout(): boolean {
  return existsSync(sharedLayout);
}

/** One layer, and a configuration like that of the official image. */
function writeLayout(directory: string, tar: Buffer): void {
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  const blob = (mediaType: string, bytes: Buffer): object => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(directory, 'blobs/sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (kind: string, value: object): object =>
    blob(`application/vnd.oci.image.${kind}.v1+json`, Buffer.from(JSON.stringify(value)));
  const layer = blob('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar, { level: 1 }));
  const config = json('config', {
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: { Cmd: ['nginx', '-g', 'daemon off;'], ExposedPorts: { '80/tcp': {} } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(tar).digest('hex')}`] },
  });
  const manifest = json('manifest', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: [layer],
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  writeFileSync(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

/** The deb822 files that apt has, or its sources.list. */
function aptSources(): string[] {
  const directory = '/etc/apt/sources.list.d';
  const files = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.sources')) : [];
  return files.length > 0 ? files.map((name) => join(directory, name)) : ['/etc/apt/sources.list'];
}
