/** Images in archives, as other programs write them: a layout of OCI, and what `docker save` makes. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { base } from './definitions';
import type { World } from './world';

/** What the configuration of the image says of running it. */
export interface ArchiveConfig {
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  Labels?: Record<string, string>;
}

export interface ArchiveOptions {
  config?: ArchiveConfig;
  /** RFC 3339. */
  created?: string;
  /** Makes files of a second layer in an empty directory. */
  more?: (directory: string) => void;
  /** Words for tar(1), for owners and modes in the layers. */
  tar?: string[];
}

interface Parts {
  config: Buffer;
  layers: Buffer[];
}

/** `oci-archive:` — the busybox of the definition tests. @returns the path */
export function ociArchive(world: World, name: string, options: ArchiveOptions = {}): string {
  const { config, layers } = parts(world, name, options);
  const directory = world.makeDirectory(`${name}-layout`);
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  const put = (bytes: Buffer, mediaType: string): object => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(directory, 'blobs/sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: put(config, 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map((layer) => put(gzipSync(layer, { level: 1 }), 'application/vnd.oci.image.layer.v1.tar+gzip')),
  };
  const index = { schemaVersion: 2, manifests: [put(Buffer.from(JSON.stringify(manifest)), manifest.mediaType)] };
  writeFileSync(join(directory, 'index.json'), JSON.stringify(index));
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return packed(world, name, directory);
}

/** `docker-archive:` — the same image. @returns the path */
export function dockerArchive(world: World, name: string, options: ArchiveOptions = {}): string {
  const { config, layers } = parts(world, name, options);
  const directory = world.makeDirectory(`${name}-saved`);
  writeFileSync(join(directory, 'config.json'), config);
  for (const [at, layer] of layers.entries()) writeFileSync(join(directory, `${at}.tar`), layer);
  const Layers = layers.map((_, at) => `${at}.tar`);
  writeFileSync(
    join(directory, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: [`${name}:1`], Layers }]),
  );
  return packed(world, name, directory);
}

function parts(world: World, name: string, { config = {}, created, more, tar = [] }: ArchiveOptions): Parts {
  const directories = [base(world)];
  if (more) {
    const second = world.makeDirectory(`${name}-second`);
    more(second);
    directories.push(second);
  }
  const layers = directories.map((directory, at) => {
    const path = world.path(`${name}-${at}.layer`);
    const words = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', ...tar];
    execFileSync('tar', [...words, '-cf', path, '-C', directory, '.']);
    return readFileSync(path);
  });
  const json = {
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    ...(created === undefined ? {} : { created }),
    config,
    rootfs: {
      type: 'layers',
      diff_ids: layers.map((layer) => `sha256:${createHash('sha256').update(layer).digest('hex')}`),
    },
  };
  return { config: Buffer.from(JSON.stringify(json)), layers };
}

function packed(world: World, name: string, directory: string): string {
  const path = world.path(`${name}.tar`);
  execFileSync('tar', ['-cf', path, '-C', directory, '.']);
  return path;
}
