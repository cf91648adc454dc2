/** oci-archive: — an image layout in a tar archive. */
import type { FetchContext } from '../source/source';
import { Archive } from './archive';
import type { OciImage } from './image';
import { imageOfLayout, splitPath } from './layout';

/**
 * @param text `FILE[:REFERENCE]`
 * @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT, IMAGE_ARCH, IMAGE_UNSUPPORTED
 */
export async function ociArchiveImage(text: string, context: FetchContext): Promise<OciImage> {
  const { path, reference } = splitPath(text);
  const archive = await Archive.open(path, context);
  const files = {
    name: path,
    read: (name: string, limitBytes: number) => archive.read(name, limitBytes),
    path: (name: string) => archive.extract(name),
  };
  return await imageOfLayout(files, reference, context);
}
