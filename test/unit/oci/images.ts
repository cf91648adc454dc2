/** Images for tests: layouts, archives and registries, made of nothing but bytes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { vi } from 'vitest';
import { defaultConfig } from '../../../src/runtime/config/directives';
import { PartPolicy } from '../../../src/runtime/image/transfer/parts';
import type { FetchContext, FetchOptions } from '../../../src/runtime/image/source/source';
import { TemporaryDirectory } from '../../../src/runtime/image/temporary';
import { client, type Handler, scratch, sendRange, sha256 } from './support';

export type Files = Record<string, Uint8Array | string>;

/** A tar archive (POSIX ustar); values that begin with `-> ` are symbolic links. */
export function tarball(files: Files): Buffer {
  const blocks = Object.entries(files).flatMap(([name, content]) => {
    const link = typeof content === 'string' && content.startsWith('-> ') ? content.slice(3) : undefined;
    const bytes = link === undefined ? Buffer.from(content as string) : Buffer.alloc(0);
    return [...header(name, link === undefined ? '0' : '2', bytes.length, link), padded(bytes)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header(name: string, type: string, size: number, link = ''): Buffer[] {
  if (Buffer.byteLength(name) <= 100) return [block(name, type, size, link)];
  const record = (length: number): string => `${length} path=${name}\n`;
  let length = Buffer.byteLength(record(0));
  while (Buffer.byteLength(record(length)) !== length) length += 1;
  const pax = Buffer.from(record(length));
  return [block('PaxHeader', 'x', pax.length), padded(pax), block(name.slice(0, 90), type, size, link)];
}

export function block(name: string, type: string, size: number, link = ''): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write(name, 0);
  bytes.write('0000644\x000000000\x000000000\x00', 100);
  bytes.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  bytes.write('00000000000\0', 136);
  bytes.fill(0x20, 148, 156);
  bytes.write(type, 156);
  bytes.write(link, 157);
  bytes.write('ustar\x0000', 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

export interface Sample {
  config: Buffer;
  layer: Buffer;
  manifest: Buffer;
  /** Of the manifest. */
  digest: string;
  /** All blobs by digest. */
  blobs: Map<string, Buffer>;
}

/** An image with one plain layer. */
export function sampleImage(architecture = 'amd64', more: object = {}): Sample {
  const layer = tarball({ 'etc/hello': `from ${architecture}\n` });
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      config: { Cmd: ['/bin/sh'] },
      rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
      ...more,
    }),
  );
  const describe = (mediaType: string, bytes: Buffer): object => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: [describe('application/vnd.oci.image.layer.v1.tar', layer)],
    }),
  );
  const blobs = new Map([config, layer, manifest].map((bytes) => [sha256(bytes), bytes]));
  return { config, layer, manifest, digest: sha256(manifest), blobs };
}

/** An index of images, one for each architecture. */
export function sampleIndex(images: Record<string, Sample>, annotations?: Record<string, string>): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: Object.entries(images).map(([architecture, { digest, manifest }]) => ({
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest,
        size: manifest.length,
        platform: { os: 'linux', architecture },
        annotations,
      })),
    }),
  );
}

/** The files of an image layout. */
export function layoutFiles(images: Record<string, Sample>): Files {
  const manifests = Object.entries(images).map(([name, { digest, manifest }]) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest,
    size: manifest.length,
    annotations: { 'org.opencontainers.image.ref.name': name },
  }));
  const blobs = Object.values(images).flatMap((image) => [...image.blobs]);
  return {
    'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
    'index.json': JSON.stringify({ schemaVersion: 2, manifests }),
    ...Object.fromEntries(blobs.map(([digest, bytes]) => [`blobs/${digest.replace(':', '/')}`, bytes])),
  };
}

/** Writes files below a new directory. */
export function lay(files: Files): string {
  const directory = scratch();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  return directory;
}

export interface TestContext extends FetchContext {
  infos: string[];
  warnings: string[];
}

export function fetchContext(options: FetchOptions = {}, more: Partial<FetchContext> = {}): TestContext {
  const [infos, warnings] = [[] as string[], [] as string[]];
  return {
    env: { HOME: scratch() },
    options: { arch: 'amd64', noHttps: true, ...options },
    settings: defaultConfig(),
    version: 'test',
    convert: async () => [],
    client: client(),
    parts: new PartPolicy(16 << 20, 3),
    temporary: new TemporaryDirectory(scratch()),
    infos,
    warnings,
    onInfo: (text) => infos.push(text),
    onWarning: (text) => warnings.push(text),
    onVerbose: vi.fn(),
    onProgress: vi.fn(),
    ...more,
  };
}

/** The documents of a registry, by what stands behind `/v2/`. */
export function registryFiles(repository: string, tags: Record<string, Buffer>, images: Sample[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [tag, bytes] of Object.entries(tags)) files.set(`${repository}/manifests/${tag}`, bytes);
  for (const { digest, manifest, blobs } of images) {
    files.set(`${repository}/manifests/${digest}`, manifest);
    for (const [name, bytes] of blobs) files.set(`${repository}/blobs/${name}`, bytes);
  }
  return files;
}

/** Answers as a registry with these documents. */
export function registryHandler(files: Map<string, Buffer>): Handler {
  return (request, response) => {
    const bytes = files.get((request.url ?? '').replace(/^\/v2\//, ''));
    if (request.url === '/v2/') response.end('{}');
    else if (bytes === undefined) {
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    } else sendRange(request, response, bytes);
  };
}
