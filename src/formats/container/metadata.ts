/** `inspect-metadata.json`: what `inspect` shows, kept beside the file system so that nothing has to be mounted for it. */
import { appNames } from './apps';
import { type Labels, parseLabels, sorted } from './labels';
import type { ImageTree } from './tree';

export interface AppAttributes {
  environment?: Record<string, string>;
  labels?: Labels;
  runscript?: string;
  startscript?: string;
  test?: string;
  helpfile?: string;
}

export interface ImageAttributes {
  apps?: Record<string, AppAttributes>;
  environment?: Record<string, string>;
  labels?: Labels;
  runscript?: string;
  test?: string;
  helpfile?: string;
  deffile?: string;
  startscript?: string;
}

export interface ImageMetadata {
  data: { attributes: ImageAttributes };
  type: 'container';
}

const HOME = '.singularity.d';

/** What to say about the files of an image. `labels` and `deffile` are the ones the image will have. */
export function describeImage(tree: ImageTree, labels: Labels, deffile: string): ImageMetadata {
  const apps = appNames(tree).map((name): [string, AppAttributes] => [name, describeApp(tree, name)]);
  const attributes: ImageAttributes = {
    apps: apps.length > 0 ? Object.fromEntries(apps) : undefined,
    environment: environmentTexts(tree, `${HOME}/env`, /^(10-docker.*|9.*-environment)\.sh$/),
    labels: sorted(labels),
    runscript: trimmed(tree.text(`${HOME}/runscript`)),
    test: trimmed(tree.text(`${HOME}/test`)),
    helpfile: trimmed(tree.text(`${HOME}/runscript.help`)),
    deffile: trimmed(deffile),
    startscript: trimmed(tree.text(`${HOME}/startscript`)),
  };
  return { data: { attributes }, type: 'container' };
}

function describeApp(tree: ImageTree, name: string): AppAttributes {
  const home = `scif/apps/${name}/scif`;
  return {
    environment: environmentTexts(tree, `${home}/env`, /^9.*-environment\.sh$/),
    labels: tree.has(`${home}/labels.json`) ? sorted(parseLabels(tree.text(`${home}/labels.json`))) : undefined,
    runscript: trimmed(tree.text(`${home}/runscript`)),
    startscript: trimmed(tree.text(`${home}/startscript`)),
    test: trimmed(tree.text(`${home}/test`)),
    helpfile: trimmed(tree.text(`${home}/runscript.help`)),
  };
}

function environmentTexts(tree: ImageTree, directory: string, pattern: RegExp): Record<string, string> | undefined {
  const texts: Record<string, string> = {};
  for (const name of tree.names(directory)) {
    const text = pattern.test(name) ? trimmed(tree.text(`${directory}/${name}`)) : undefined;
    if (text !== undefined) texts[`/${directory}/${name}`] = text;
  }
  return Object.keys(texts).length > 0 ? texts : undefined;
}

/** Line feeds at the end are not part of what is shown. */
function trimmed(text: string | undefined): string | undefined {
  return text?.replace(/\n+$/, '');
}
