/** Reads the files of a squashfs that say what the image is. */
import { DESCRIBING_NAMES, MAX_TEXT_BYTES, type TreeEntry } from '../formats/container/tree';
import { loadAddon } from './shared/image-addon';
import { type Reply, replyWith } from './shared/reply';

export interface DescribeImageTask {
  addonPath: string;
  image: { path: string; offsetBytes: number; sizeBytes: number };
}

export default function run({ addonPath, image }: DescribeImageTask): Reply<TreeEntry[]> {
  return replyWith('IMAGE_OPEN', () => {
    const addon = loadAddon(addonPath);
    const { path, offsetBytes, sizeBytes } = image;
    const source = addon.scanSquashfs(path, { offsetBytes, sizeBytes, xattrs: false, name: path });
    return addon.list(source, DESCRIBING_NAMES, MAX_TEXT_BYTES);
  });
}
