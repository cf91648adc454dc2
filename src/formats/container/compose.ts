import type { Stage } from '../definition/definition';
import { DataType } from '../sif/constants';
import { appsEnvironment } from './apps';
import { baseEntries } from './base-files';
import {
  addLabels,
  type BuildFacts,
  buildLabels,
  formatLabels,
  type Labels,
  parseLabelLines,
  parseLabels,
} from './labels';
import { describeImage } from './metadata';
import { appEntries, isWanted, type Recipe, sectionEntries } from './recipe';
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
  /** What the user should know, in words. */
  warnings: string[];
}

export type ComposeFacts = Omit<BuildFacts, 'help'>;

/**
 * Decides everything about a new image but its files: the base tree, labels, the definition file and its history, and
 * the SIF's text objects.
 * @param listing the describing part of the source's tree
 * @param carried JSON objects that go over from a SIF, by name
 * @param recipe a definition whose sections put more into the image
 */
export function composeImage(
  listing: TreeEntry[],
  facts: ComposeFacts,
  carried: Record<string, string> = {},
  recipe?: Recipe,
): ComposedImage {
  const base = prepareTree(listing, recipe?.stage);
  const prepared = withEntries(listing, base);
  const { entries, warnings } = finishTree(prepared, facts, recipe);
  const objects = describeTree(withEntries(prepared, entries), carried);
  return { entries: [...base, ...entries], objects, warnings };
}

/** What a tree needs before sections run in it: the files that every image has, and the apps. */
export function prepareTree(listing: TreeEntry[], stage?: Stage): NewEntry[] {
  const apps = stage ? appEntries(stage) : [];
  const tree = new ImageTree(withEntries(listing, apps));
  const entries = baseEntries(tree);
  if (apps.length === 0) return entries;
  return [...entries.filter(({ path }) => path !== APPS_FILE), ...apps, { ...appsFile(tree), replace: true }];
}

const APPS_FILE = `${HOME}/env/94-appsbase.sh`;

function appsFile(tree: ImageTree): NewEntry {
  return { path: APPS_FILE, type: 'file', mode: 0o755, content: appsEnvironment(tree), replace: true };
}

/** What is put into a tree when its sections have run: scripts, labels, the definition file and its history. */
export function finishTree(
  listing: TreeEntry[],
  facts: ComposeFacts,
  recipe?: Recipe,
): { entries: NewEntry[]; warnings: string[] } {
  const tree = new ImageTree(listing);
  const scripts = recipe ? sectionEntries(tree, recipe) : [];
  const help = new ImageTree(withEntries(listing, scripts)).has(`${HOME}/runscript.help`);
  const { labels, kept } = imageLabels(tree, { ...facts, help }, recipe);
  const deffile = recipe?.text ?? headerText(facts);
  const entries = [
    ...scripts,
    replacing('labels.json', formatLabels(labels)),
    replacing('Singularity', deffile),
    ...history(tree),
  ];
  const warnings = kept.map((name) => `Label: ${name} already exists and force option is false, not overwriting`);
  return { entries, warnings };
}

/** What stands for the definition file of an image that was built without one. */
function headerText({ header, from }: ComposeFacts): string {
  const lines = Object.entries(header ?? { bootstrap: 'localimage', from }).map(([key, value]) => `${key}: ${value}\n`);
  return `${lines.join('')}\n`;
}

/** In rising priority: those of the source, those that sections wrote, those of every build, those of the definition. */
function imageLabels(tree: ImageTree, facts: BuildFacts, recipe?: Recipe): { labels: Labels; kept: string[] } {
  const labels = parseLabels(tree.text(`${HOME}/labels.json`));
  addLabels(labels, parseLabelLines(recipe?.fileLabels ?? ''), true);
  addLabels(labels, Object.entries(buildLabels(facts)), true);
  const own = recipe && isWanted(recipe.sections, 'labels') ? recipe.stage.labels : [];
  return { labels, kept: addLabels(labels, own, recipe?.force ?? false) };
}

/** The definition file that was there goes into a directory of such files. */
function history(tree: ImageTree): NewEntry[] {
  const earlier = tree.text(`${HOME}/Singularity`);
  if (earlier === undefined) return [];
  const count = tree.names(`${HOME}/bootstrap_history`).length;
  return [replacing(`bootstrap_history/Apptainer${count}`, earlier)];
}

/** The text objects of a SIF with this tree. */
export function describeTree(listing: TreeEntry[], carried: Record<string, string> = {}): TextObject[] {
  const tree = new ImageTree(listing);
  const deffile = tree.text(`${HOME}/Singularity`) ?? '';
  const labels = parseLabels(tree.text(`${HOME}/labels.json`));
  const metadata = JSON.stringify(describeImage(tree, labels, deffile));
  const json = Object.entries({ ...carried, 'inspect-metadata.json': metadata }).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    { type: DataType.definitionFile, name: '', content: deffile },
    ...json.map(([name, content]) => ({ type: DataType.genericJson, name, content })),
  ];
}

function replacing(name: string, content: string): NewEntry {
  return { path: `${HOME}/${name}`, type: 'file', mode: 0o644, content, replace: true };
}

/** The tree as it will be, for what is said about it. */
function withEntries(listing: TreeEntry[], entries: NewEntry[]): TreeEntry[] {
  const there = new Set(listing.map(({ path }) => path));
  const added = entries.filter(({ path, replace }) => replace || !there.has(path));
  return [
    ...listing,
    ...added.map(({ content, ...entry }): TreeEntry => ({ ...entry, content: Buffer.from(content), target: content })),
  ];
}
