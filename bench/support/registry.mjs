// A registry on loopback with one image of one gzip layer: docker-registry, filled by skopeo.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { arch } from 'node:os';
import { join } from 'node:path';
import { onPath } from './peers.mjs';

const goArch = { x64: 'amd64', arm64: 'arm64' };

/**
 * An OCI layout with the root directory as its only layer.
 * @returns where the layer lies, its size and that of the tar in it
 */
export function makeLayout(directory, rootfs) {
  const blobs = join(directory, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const tar = join(directory, 'layer.tar');
  execFileSync('tar', ['-C', rootfs, '--xattrs', '--numeric-owner', '-cf', tar, '.'], { stdio: 'inherit' });
  const tarBytes = statSync(tar).size;
  const diffId = digestOf(tar);
  execFileSync('gzip', ['-6', '-f', tar]);
  const digest = digestOf(`${tar}.gz`);
  const layer = join(blobs, digest);
  renameSync(`${tar}.gz`, layer);
  const put = (value) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const type = (name) => `application/vnd.oci.image.${name}`;
  const layers = [{ mediaType: type('layer.v1.tar+gzip'), digest: `sha256:${digest}`, size: statSync(layer).size }];
  const rootfsOf = { type: 'layers', diff_ids: [`sha256:${diffId}`] };
  const config = put({ architecture: goArch[arch()] ?? arch(), os: 'linux', config: {}, rootfs: rootfsOf });
  const manifest = put({
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config: { mediaType: type('config.v1+json'), ...config },
    layers,
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'bench' };
  const entry = { mediaType: type('manifest.v1+json'), ...manifest, annotations };
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return { layer, tarBytes, gzipBytes: layers[0].size };
}

/** Starts it with the layout as its image. @returns HOST:PORT/NAME:TAG, or `undefined` when something is missing */
export async function openRegistry(bench, layout) {
  const [server, skopeo] = [onPath('docker-registry'), onPath('skopeo')];
  if (!server || !skopeo)
    return void bench.skip('registry: needs docker-registry and skopeo (packages of these names)');
  const port = await freePort();
  const file = join(bench.temporary, 'registry.yml');
  const storage = `{ filesystem: { rootdirectory: ${join(bench.temporary, 'registry')} } }`;
  writeFileSync(file, `version: 0.1\nlog: { level: error }\nstorage: ${storage}\nhttp: { addr: 127.0.0.1:${port} }\n`);
  const child = spawn(server, ['serve', file], { stdio: 'ignore', detached: true });
  bench.closers.push(() => child.kill());
  await answers(`http://127.0.0.1:${port}/v2/`);
  const reference = `127.0.0.1:${port}/bench:1`;
  execFileSync(skopeo, ['copy', '-q', '--dest-tls-verify=false', `oci:${layout}:bench`, `docker://${reference}`]);
  return reference;
}

async function answers(url) {
  for (let tries = 100; ; tries--) {
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    if (tries === 0) throw new Error(`the registry at ${url} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function digestOf(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
