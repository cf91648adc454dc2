/** A SIF out of the layers of an OCI image. */
import { open, rm } from 'node:fs/promises';
import { composeImage } from '../../../formats/container/compose';
import { formatLabels } from '../../../formats/container/labels';
import type { NewEntry, TreeEntry } from '../../../formats/container/tree';
import { DataType, FsType, NO_TIME_S, PartitionType } from '../../../formats/sif/constants';
import { SifLayout } from '../../../formats/sif/write';
import { ociParts } from '../../image/oci/generated';
import type { ConvertRequest } from '../../image/source/source';
import { convertLayers } from './convert-layers';
import { type BuildTimes, buildTimes, imageId } from './times';

const GROUP = 1;

/**
 * Makes the file, in the place of what an earlier try has left. Header and table are written last: a file that is not complete is no SIF.
 * @returns what was left out, in words
 * @throws RuntimeError of convertLayers(), or a system error of the file
 */
export async function writeOciSif(request: ConvertRequest): Promise<string[]> {
  const { layers, compression = 'zstd', path, onProgress, signal } = request;
  const times = timesOf(request);
  const timeS = Math.floor(times.timeMs / 1000);
  const { entries, objects, warnings } = composeOciImage(request, new Date(times.timeMs));
  const layout = new SifLayout(imageId(times), times.latestS === undefined ? timeS : NO_TIME_S);
  // A new inode: the worker of a caller who was killed may still be writing to the old one.
  await rm(path, { force: true });
  const file = await open(path, 'wx+');
  try {
    for (const { type, name, content } of objects) {
      const bytes = Buffer.from(content);
      const { offsetBytes } = layout.append({ type, name, group: GROUP }, bytes.length);
      await file.write(bytes, 0, bytes.length, offsetBytes);
    }
    const partition = { fsType: FsType.squashfs, partitionType: PartitionType.primarySystem, arch: request.arch };
    const object = { type: DataType.partition, name: '', group: GROUP, partition };
    const [name = '', level] = compression.split(':');
    const { sizeBytes, notes } = await convertLayers({
      layers,
      generated: entries,
      output: { path, offsetBytes: layout.nextOffset(object) },
      compression: level === undefined ? { name } : { name, level: Number(level) },
      owners: process.geteuid?.() === 0 ? 'keep' : 'root',
      limits: request.limits,
      timeS,
      latestS: times.latestS,
      onProgress,
      signal,
    });
    layout.append(object, sizeBytes);
    const { header: head, table, tableOffsetBytes } = layout.encode();
    await file.write(table, 0, table.length, tableOffsetBytes);
    await file.write(head, 0, head.length, 0);
    return [...warnings, ...notes];
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

function timesOf({ reproducible, env, config }: ConvertRequest): BuildTimes {
  const createdMs = Date.parse(config.created ?? '');
  return buildTimes({ reproducible }, env, createdMs > 0 ? Math.floor(createdMs / 1000) : undefined);
}

/**
 * The files that make an image of ours out of it, and the text objects of the SIF. What the layers themselves have below
 * `/.singularity.d` stays, but for what is derived from the image's configuration.
 */
export function composeOciImage(request: ConvertRequest, date: Date): ReturnType<typeof composeImage> {
  const { config, digest, header, arch, version, additions } = request;
  const parts = ociParts(config, { name: header.from, digest });
  const labels: NewEntry = {
    path: '.singularity.d/labels.json',
    type: 'file',
    mode: 0o644,
    content: formatLabels(parts.labels),
    replace: true,
  };
  const listing = [...parts.entries, labels].map(
    ({ content, ...entry }): TreeEntry => ({ ...entry, content: Buffer.from(content) }),
  );
  const facts = { date, arch, version, from: header.from, header: additions?.header ?? header };
  const composed = composeImage(listing, facts, { 'oci-config.json': parts.configJson }, additions?.recipe);
  // Of two for one path the one that replaces counts; those of the composition come later and know more.
  const byPath = new Map<string, NewEntry>();
  for (const entry of [...parts.entries, ...composed.entries]) {
    if (entry.replace || !byPath.has(entry.path)) byPath.set(entry.path, entry);
  }
  return { ...composed, entries: [...byPath.values()] };
}
