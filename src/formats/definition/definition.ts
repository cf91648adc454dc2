/** A definition file, parsed: what an image is made from and what is done to it. Lines count from 1. */

/** The text of a section, and the words behind its name. */
export interface Script {
  /** `-c /bin/bash` of `%post -c /bin/bash`; a comment behind them is dropped. */
  args: string;
  /** Lines as they stand in the file, each with its line feed. */
  text: string;
  /** Line of the section's name. */
  line: number;
}

/** One line of `%files` or `%appfiles`. */
export interface FileCopy {
  /** Glob characters are still in it. */
  source: string;
  /** As it was written; '' when there was none. */
  target: string;
  line: number;
}

export interface FilesSection {
  /** Name of the stage the files come from; the host when absent. */
  from?: string;
  copies: FileCopy[];
  line: number;
}

/** A SCIF app: the `%app…` sections of one name. */
export interface AppDefinition {
  name: string;
  install?: Script;
  run?: Script;
  start?: Script;
  test?: Script;
  environment?: Script;
  help?: Script;
  labels: [name: string, value: string][];
  files: FileCopy[];
}

/** Sections that are kept as they are. */
export const SCRIPT_SECTIONS = [
  'pre',
  'setup',
  'post',
  'test',
  'environment',
  'runscript',
  'startscript',
  'help',
] as const;
export type ScriptSection = (typeof SCRIPT_SECTIONS)[number];

export interface HeaderValue {
  value: string;
  line: number;
}

export interface Stage {
  /** Keys in lower case, in the order of the file. */
  header: Map<string, HeaderValue>;
  /** First line of the stage. */
  line: number;
  scripts: Partial<Record<ScriptSection, Script>>;
  files: FilesSection[];
  /** In the order of the file; a name may stand there twice. */
  labels: [name: string, value: string][];
  /** In the order of first mention. */
  apps: AppDefinition[];
}

export interface Definition {
  /** The file's name, for messages. */
  name: string;
  /** The text with build arguments put in, from the first header on: what the image keeps. */
  text: string;
  stages: Stage[];
}

/** Value of a header key of a stage; '' when it is not there. */
export function headerValue(stage: Pick<Stage, 'header'>, key: string): string {
  return stage.header.get(key)?.value ?? '';
}

/** All values of the header, by key in lower case. */
export function headerOf({ header }: Stage): Record<string, string> {
  return Object.fromEntries([...header].map(([key, { value }]) => [key, value]));
}

/** A line of the file. Build arguments may make several out of one: all have its number. */
export interface Line {
  text: string;
  number: number;
}
