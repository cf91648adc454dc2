/** Turns the layers of an OCI image into a squashfs inside a file, without unpacking them. */
import { closeSync, constants, openSync } from 'node:fs';
import { RuntimeError } from '../errors';
import { type ConvertOptions, type ImageAddonError, loadAddon } from './shared/image-addon';
import { type Reply, replyWith } from './shared/reply';

export interface ConvertLayersTask {
  addonPath: string;
  output: { path: string; offsetBytes: number };
  options: ConvertOptions;
}

export interface ConvertLayersReply {
  sizeBytes: number;
  diffIds: string[];
  /** What was left out, in words. */
  notes: string[];
  /** The caller has changed his mind; the rest is empty. */
  isCancelled: boolean;
}

export default function run(task: ConvertLayersTask): Reply<ConvertLayersReply> {
  return replyWith('IMAGE_BUILD', () => convert(task));
}

function convert({ addonPath, output, options }: ConvertLayersTask): ConvertLayersReply {
  const addon = loadAddon(addonPath);
  const fd = openSync(output.path, constants.O_RDWR | constants.O_CREAT, 0o755);
  try {
    const { sizeBytes, diffIds, notes } = addon.convertLayers(fd, output.offsetBytes, options);
    return { sizeBytes, diffIds, notes, isCancelled: false };
  } catch (error) {
    const { kind, message, object: path } = error as ImageAddonError;
    if (kind === 'cancelled') return { sizeBytes: 0, diffIds: [], notes: [], isCancelled: true };
    if (kind === 'integrity') {
      throw new RuntimeError('INTEGRITY', message, { path, hint: 'the copy is damaged: fetch the image again' });
    }
    if (kind === 'limit') {
      throw new RuntimeError('IMAGE_BUILD', message, {
        path,
        hint: 'an image of that size is refused unless the limit is raised',
      });
    }
    throw error;
  } finally {
    closeSync(fd);
  }
}
