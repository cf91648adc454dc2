/** What an image says about itself, without mounting it: from the metadata in a SIF, else from the files in its tree. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { parseMetadata } from '../../formats/container/inspect';
import { parseLabels } from '../../formats/container/labels';
import { describeImage, type ImageAttributes } from '../../formats/container/metadata';
import { ImageTree, MAX_TEXT_BYTES, type TreeEntry } from '../../formats/container/tree';
import { DataType } from '../../formats/sif/constants';
import { looksLikeSif } from '../../formats/sif/header';
import { inspectImage } from './open';
import { SifFile } from './sif-file';

const METADATA_NAME = 'inspect-metadata.json';
/** A definition file with all of an image's scripts is seldom larger than a few hundred KiB. */
const MAX_METADATA_BYTES = 64 << 20;
const LABELS = '.singularity.d/labels.json';

export interface DescribedImage {
  attributes: ImageAttributes;
  /** They are the metadata of a SIF, written when it was built. */
  isMetadata: boolean;
  /** It is a SIF, which has the definition file as an object of its own. */
  isSif: boolean;
}

/**
 * Everything that `inspect` may show.
 * @param onWarning what could not be read, in words
 * @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT, IMAGE_UNSUPPORTED
 */
export async function imageAttributes(given: string, onWarning: (text: string) => void): Promise<DescribedImage> {
  const sif = openedSif(given);
  const ofTree = async (definition?: string): Promise<DescribedImage> => {
    return {
      attributes: attributesOfTree(await imageTree(given), definition, onWarning),
      isMetadata: false,
      isSif: sif !== undefined,
    };
  };
  if (sif === undefined) return await ofTree();
  try {
    const attributes = metadataOf(sif, onWarning);
    return attributes === undefined ? await ofTree(definitionOf(sif)) : { attributes, isMetadata: true, isSif: true };
  } finally {
    sif.close();
  }
}

/** The file, if it is a SIF that can be read; others are told apart, and errors worded, by inspectImage(). */
function openedSif(given: string): SifFile | undefined {
  try {
    return looksLikeSif(beginning(given)) ? SifFile.open(given) : undefined;
  } catch {
    return undefined;
  }
}

function beginning(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const bytes = Buffer.alloc(2048);
    return bytes.subarray(0, fstatSync(fd).isFile() ? readSync(fd, bytes, 0, bytes.length, 0) : 0);
  } finally {
    closeSync(fd);
  }
}

function metadataOf(sif: SifFile, onWarning: (text: string) => void): ImageAttributes | undefined {
  const object = sif.objects.find(({ type, name }) => type === DataType.genericJson && name === METADATA_NAME);
  if (object === undefined) return undefined;
  try {
    return parseMetadata(sif.read(object, MAX_METADATA_BYTES).toString('utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    onWarning(`Unable to read ${METADATA_NAME} SIF descriptor: while decoding inspect metadata: ${reason}`);
    return undefined;
  }
}

function definitionOf(sif: SifFile): string | undefined {
  const object = sif.objects.find(({ type }) => type === DataType.definitionFile);
  return object === undefined ? undefined : sif.read(object, MAX_METADATA_BYTES).toString('utf8');
}

function attributesOfTree(
  tree: ImageTree,
  definition: string | undefined,
  onWarning: (text: string) => void,
): ImageAttributes {
  const text = tree.text(LABELS);
  if (text !== undefined && !isLabels(text)) onWarning('Unable to parse labels: not a map of texts in JSON');
  const deffile = definition ?? tree.text('.singularity.d/Singularity') ?? '';
  const { attributes } = describeImage(tree, parseLabels(text), deffile).data;
  return definition === undefined ? attributes : { ...attributes, deffile: definition };
}

function isLabels(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    return Object.values(value).every((label) => typeof label === 'string');
  } catch {
    return false;
  }
}

async function imageTree(given: string): Promise<ImageTree> {
  const { image } = inspectImage(given);
  if (!image.squashfs) return new ImageTree(sandboxEntries(image.path));
  const { imageAddonPath, runTask } = await import('../../workers/pool');
  const { offsetBytes, sizeBytes } = image.squashfs;
  const task = { addonPath: imageAddonPath(), image: { path: image.path, offsetBytes, sizeBytes } };
  return new ImageTree(await runTask<typeof task, TreeEntry[]>('describe-image', task));
}

/** The describing part of a directory. Links on the way are not followed: they may lead out of it. */
function sandboxEntries(root: string): TreeEntry[] {
  const entries = entriesBelow(root, '.singularity.d');
  for (const name of namesIn(join(root, 'scif/apps'))) entries.push(...entriesBelow(root, `scif/apps/${name}/scif`));
  for (const app of new Set(entries.map(({ path }) => /^scif\/apps\/[^/]+/.exec(path)?.[0]))) {
    if (app !== undefined) entries.push({ path: app, type: 'directory', mode: 0o755 });
  }
  return entries;
}

function entriesBelow(root: string, path: string): TreeEntry[] {
  const entry = entryAt(root, path);
  if (entry?.type !== 'directory') return entry ? [entry] : [];
  return [entry, ...namesIn(join(root, path)).flatMap((name) => entriesBelow(root, `${path}/${name}`))];
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // missing, or not for this user to see
  }
}

/** O_NOFOLLOW: a link is an entry of its own, whose target is looked up among the entries. */
function entryAt(root: string, path: string): TreeEntry | undefined {
  const host = join(root, path);
  try {
    const fd = openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const stat = fstatSync(fd);
      if (stat.isDirectory()) return { path, type: 'directory', mode: stat.mode };
      if (!stat.isFile() || stat.size > MAX_TEXT_BYTES) return { path, type: 'other', mode: stat.mode };
      const content = Buffer.alloc(stat.size);
      return {
        path,
        type: 'file',
        mode: stat.mode,
        content: content.subarray(0, readSync(fd, content, 0, stat.size, 0)),
      };
    } finally {
      closeSync(fd);
    }
  } catch {
    return linkAt(host, path);
  }
}

function linkAt(host: string, path: string): TreeEntry | undefined {
  try {
    return { path, type: 'symlink', mode: 0o777, target: readlinkSync(host) };
  } catch {
    return undefined;
  }
}
