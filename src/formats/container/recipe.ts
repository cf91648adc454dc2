/** What the sections of a definition file put into an image: files below `/.singularity.d` and `/scif`. */
import type { AppDefinition, Script, Stage } from '../definition/definition';
import { formatLabels, type Labels } from './labels';
import type { ImageTree, NewEntry } from './tree';

const HOME = '.singularity.d';

/** A stage of a definition, as far as it describes the image. Plain data: it goes to worker threads. */
export interface Recipe {
  /** Text of the definition file. */
  text: string;
  stage: Stage;
  /** `--section`: the sections that count; all when absent. */
  sections?: string[];
  /** Labels of the definition replace those that are there. */
  force: boolean;
  /** Lines `name value` that the sections wrote to the file of labels. */
  fileLabels?: string;
}

/** Whether `--section` names a section, or nothing does. */
export function isWanted(sections: string[] | undefined, name: string): boolean {
  return sections === undefined || sections.includes('all') || sections.includes(name);
}

/** Directories, scripts and labels of the apps. They are there before a section runs. */
export function appEntries({ apps }: Stage): NewEntry[] {
  return apps.flatMap((app) => {
    const root = `scif/apps/${app.name}`;
    const home = `${root}/scif`;
    const data = `scif/data/${app.name}`;
    const directories = [
      root,
      `${root}/bin`,
      `${root}/lib`,
      home,
      `${home}/env`,
      data,
      `${data}/input`,
      `${data}/output`,
    ];
    const labels: Labels = Object.fromEntries([['SCIF_APP_NAME', app.name], ...app.labels]);
    return [
      ...directories.map((path): NewEntry => ({ path, type: 'directory', mode: 0o755, content: '', replace: false })),
      file(`${home}/env/01-base.sh`, appBase(app), 0o755),
      file(`${home}/labels.json`, formatLabels(labels), 0o644),
      ...optional(`${home}/env/90-environment.sh`, app.environment?.text, 0o755),
      ...optional(`${home}/runscript`, appScript(app.run), 0o755),
      ...optional(`${home}/startscript`, appScript(app.start), 0o755),
      ...optional(`${home}/test`, appScript(app.test), 0o755),
      ...optional(`${home}/runscript.help`, app.help?.text, 0o644),
    ];
  });
}

function appBase({ name }: AppDefinition): string {
  const data = `/scif/data/${name}`;
  return `#!/bin/sh

SCIF_APPNAME=${name}
SCIF_APPROOT="/scif/apps/${name}"
SCIF_APPMETA="/scif/apps/${name}/scif"
SCIF_DATA="/scif/data"
SCIF_APPDATA="${data}"
SCIF_APPINPUT="${data}/input"
SCIF_APPOUTPUT="${data}/output"
export SCIF_APPDATA SCIF_APPNAME SCIF_APPROOT SCIF_APPMETA SCIF_APPINPUT SCIF_APPOUTPUT SCIF_DATA
`;
}

function appScript(script: Script | undefined): string | undefined {
  return script && `#!/bin/sh\n\n${script.text}\n`;
}

/** %help, %environment, %startscript, %runscript and %test. */
export function sectionEntries(tree: ImageTree, { stage, sections }: Recipe): NewEntry[] {
  const { help, environment, startscript, runscript, test } = stage.scripts;
  const wanted = (name: string, script: Script | undefined) => (isWanted(sections, name) ? script : undefined);
  const environmentFile = `${HOME}/env/90-environment.sh`;
  const added = wanted('environment', environment);
  return [
    ...optional(`${HOME}/runscript.help`, withNewline(wanted('help', help)), 0o644),
    ...optional(environmentFile, added && `${tree.text(environmentFile) ?? '#!/bin/sh\n\n'}${added.text}\n`, 0o755),
    ...optional(`${HOME}/startscript`, scriptFile(wanted('startscript', startscript)), 0o755),
    ...optional(`${HOME}/runscript`, scriptFile(wanted('runscript', runscript)), 0o755),
    ...optional(`${HOME}/test`, scriptFile(wanted('test', test)), 0o755),
  ];
}

function withNewline(script: Script | undefined): string | undefined {
  return script && `${script.text}\n`;
}

/** The interpreter is the text's own first line, else `/bin/sh`; the words behind the section's name follow it. */
export function scriptFile(script: Script | undefined): string | undefined {
  if (!script) return undefined;
  const { args, text } = script;
  const [, own, rest] = /^(#![^\n]*)\n(.*)$/s.exec(text) ?? [];
  const interpreter = own?.trimEnd() ?? '#!/bin/sh';
  // The kernel passes all words behind an interpreter as one: "#!/bin/sh -c /bin/bash" would never run.
  const named = /^-c\s+(\/.*)$/.exec(args)?.[1];
  if (named !== undefined && own === undefined) return `#!${named}\n\n${text}\n`;
  return `${args === '' ? interpreter : `${interpreter} ${args}`}\n\n${rest ?? text}\n`;
}

function file(path: string, content: string, mode: number): NewEntry {
  return { path, type: 'file', mode, content, replace: true };
}

function optional(path: string, content: string | undefined, mode: number): NewEntry[] {
  return content === undefined ? [] : [file(path, content, mode)];
}

/**
 * What `%post` appends so that the apps are installed: every app in its own directory, with its own variables; an empty
 * text when no app has anything to install.
 */
export function appInstallScript({ apps }: Stage): string {
  if (apps.every(({ install }) => install === undefined)) return '';
  return apps
    .map(({ name, install }) => {
      const root = `/scif/apps/${name}`;
      return `cd /\n. ${root}/scif/env/01-base.sh\ncd ${root}\n${install?.text ?? ''}\ncd /\n`;
    })
    .join('');
}
