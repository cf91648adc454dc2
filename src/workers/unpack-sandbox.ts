/** Unpacks a squashfs into an empty directory. */
import { mkdirSync } from 'node:fs';
import { loadAddon } from './shared/image-addon';
import { type Reply, replyWith } from './shared/reply';

export interface UnpackSandboxTask {
  addonPath: string;
  image: { path: string; offsetBytes: number; sizeBytes: number };
  /** Empty, or not there yet. */
  directory: string;
  faithful: boolean;
}

/** @returns what was left out, in words */
export default function run(task: UnpackSandboxTask): Reply<string[]> {
  return replyWith('IMAGE_BUILD', () => {
    const addon = loadAddon(task.addonPath);
    const { path, offsetBytes, sizeBytes } = task.image;
    const source = addon.scanSquashfs(path, { offsetBytes, sizeBytes, xattrs: true, name: path });
    mkdirSync(task.directory, { mode: 0o700, recursive: true });
    addon.unpack(source, task.directory, { faithful: task.faithful });
    return addon.notes(source);
  });
}
