/** OCI layouts on disk, also ones that no program would write. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../fixtures/tar';

const GO_ARCH: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
const TYPE = 'application/vnd.oci.image';

export interface LayoutChanges {
  /** Of the last layer, as the manifest announces them. */
  layerDigest?: string;
  layerSize?: number;
  diffId?: string;
  /** Of the blob, after its digest was computed. */
  damage?: (blob: Buffer) => Buffer;
  config?: object;
  /** One more layer, uppermost, that is compressed already. */
  compressed?: { blob: Buffer; diffId: string };
  /** Instead of the manifest and the index. */
  index?: (manifest: object) => object;
}

/** A directory for `oci:DIRECTORY:latest`, with these tars as its layers, lowest first. */
export function writeLayout(directory: string, tars: Buffer[], changes: LayoutChanges = {}): string {
  const blobs = join(directory, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, digest = digestOf(bytes)) => {
    writeFileSync(join(blobs, digest.slice(7)), bytes);
    return { digest, size: bytes.length };
  };
  const json = (value: object) => put(Buffer.from(JSON.stringify(value)));
  const layers = tars.map((tar, at) => {
    const blob = gzipSync(tar, { level: 1 });
    const isLast = at === tars.length - 1;
    const digest = (isLast ? changes.layerDigest : undefined) ?? digestOf(blob);
    put(isLast && changes.damage ? changes.damage(blob) : blob, digest);
    const size = (isLast ? changes.layerSize : undefined) ?? blob.length;
    return { mediaType: `${TYPE}.layer.v1.tar+gzip`, digest, size };
  });
  const diffIds = tars.map((tar, at) => (at === tars.length - 1 && changes.diffId) || digestOf(tar));
  if (changes.compressed) {
    const { blob, diffId } = changes.compressed;
    layers.push({ mediaType: `${TYPE}.layer.v1.tar+gzip`, ...put(blob) });
    diffIds.push(diffId);
  }
  const config = json({
    architecture: GO_ARCH[arch()] ?? arch(),
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...changes.config,
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${TYPE}.manifest.v1+json`,
    config: { mediaType: `${TYPE}.config.v1+json`, ...config },
    layers,
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  const entry = { mediaType: `${TYPE}.manifest.v1+json`, ...manifest, annotations };
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(directory, 'index.json'),
    JSON.stringify(changes.index?.(entry) ?? { schemaVersion: 2, manifests: [entry] }),
  );
  return `oci:${directory}:latest`;
}
