/** Turns the layers of an OCI image into a squashfs inside a file, without unpacking them. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { RuntimeError } from '../errors';
import { type ConvertOptions, type ImageAddonError, loadAddon } from './shared/image-addon';
import { type Reply, replyWith } from './shared/reply';

export interface ConvertLayersTask {
  addonPath: string;
  /** Inode of the file: another one under that name is somebody else's. */
  output: { path: string; ino: number; offsetBytes: number };
  options: Omit<ConvertOptions, 'counters'>;
}

export interface ConvertLayersReply {
  sizeBytes: number;
  diffIds: string[];
  /** What was left out, in words. */
  notes: string[];
}

/** Counters of a task: whether to give up, bytes packed, then from here on bytes read of each layer. */
export const FIRST_LAYER_COUNTER = 2;

/** `counters` are added by whoever runs the task. */
export default function run(task: ConvertLayersTask & { counters: BigInt64Array }): Reply<ConvertLayersReply> {
  return replyWith('IMAGE_BUILD', () => convert(task));
}

function convert({
  addonPath,
  output,
  options,
  counters,
}: ConvertLayersTask & { counters: BigInt64Array }): ConvertLayersReply {
  const addon = loadAddon(addonPath);
  // Made by the caller: one that is gone was removed, and must not come back.
  const fd = openSync(output.path, constants.O_RDWR);
  try {
    if (fstatSync(fd).ino !== output.ino) throw new RuntimeError('IMAGE_BUILD', `"${output.path}" was replaced`);
    const { sizeBytes, diffIds, notes } = addon.convertLayers(fd, output.offsetBytes, { ...options, counters });
    return { sizeBytes, diffIds, notes };
  } catch (error) {
    const { kind, message, object: path } = error as ImageAddonError;
    if (kind === 'integrity') {
      throw new RuntimeError('INTEGRITY', message, { path, hint: 'the copy is damaged: fetch the image again' });
    }
    if (kind === 'limit') {
      throw new RuntimeError('IMAGE_BUILD', message, {
        path,
        hint: 'the limit is "conversion max size" or "conversion max entries" in davit.conf',
      });
    }
    throw error;
  } finally {
    closeSync(fd);
  }
}
