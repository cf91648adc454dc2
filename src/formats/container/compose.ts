import { DataType } from '../sif/constants';
import { baseEntries } from './base-files';
import { type BuildFacts, buildLabels, formatLabels, parseLabels } from './labels';
import { describeImage } from './metadata';
import { ImageTree, type NewEntry, type TreeEntry } from './tree';

const HOME = '.singularity.d';

/** A text object of a SIF. */
export interface TextObject {
  type: number;
  name: string;
  content: string;
}

export interface ComposedImage {
  /** What goes into the file system beside the files of the source. */
  entries: NewEntry[];
  /** What goes into the SIF in front of the file system, in this order. */
  objects: TextObject[];
}

/**
 * Decides everything about a new image but its files: the base tree, labels, the definition file and its history, and
 * the SIF's text objects.
 * @param listing the describing part of the source's tree
 * @param carried JSON objects that go over from a SIF, by name
 */
export function composeImage(
  listing: TreeEntry[],
  facts: Omit<BuildFacts, 'help'>,
  carried: Record<string, string> = {},
): ComposedImage {
  const tree = new ImageTree(listing);
  const deffile = `bootstrap: localimage\nfrom: ${facts.from}\n\n`;
  const help = tree.has(`${HOME}/runscript.help`);
  const labels = { ...parseLabels(tree.text(`${HOME}/labels.json`)), ...buildLabels({ ...facts, help }) };
  const entries = [
    ...baseEntries(tree),
    replacing('labels.json', formatLabels(labels)),
    replacing('Singularity', deffile),
  ];
  const earlier = tree.text(`${HOME}/Singularity`);
  if (earlier !== undefined) {
    const count = tree.names(`${HOME}/bootstrap_history`).length;
    entries.push(replacing(`bootstrap_history/Apptainer${count}`, earlier));
  }
  const metadata = JSON.stringify(describeImage(withEntries(listing, entries), labels, deffile));
  const json = Object.entries({ ...carried, 'inspect-metadata.json': metadata }).sort(([a], [b]) => (a < b ? -1 : 1));
  const objects = [
    { type: DataType.definitionFile, name: '', content: deffile },
    ...json.map(([name, content]) => ({ type: DataType.genericJson, name, content })),
  ];
  return { entries, objects };
}

function replacing(name: string, content: string): NewEntry {
  return { path: `${HOME}/${name}`, type: 'file', mode: 0o644, content, replace: true };
}

/** The tree as it will be, for what is said about it. */
function withEntries(listing: TreeEntry[], entries: NewEntry[]): ImageTree {
  const there = new Set(listing.map(({ path }) => path));
  const added = entries.filter(({ path, replace }) => replace || !there.has(path));
  return new ImageTree([
    ...listing,
    ...added.map(({ content, ...entry }): TreeEntry => ({ ...entry, content: Buffer.from(content), target: content })),
  ]);
}
