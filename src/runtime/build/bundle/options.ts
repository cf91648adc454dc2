/** What a build can be asked for; every field as the flag of that name. Plain data: it may go to another process. */
export interface BuildOptions {
  /** Path of the new image. */
  target: string;
  /** A definition file, a sandbox directory, a SIF, a squashfs file, or a URI. */
  source: string;
  /** Version of davit, for the image's labels. */
  version: string;
  /** Replaces what has the target's name, and labels that are there. */
  force?: boolean;
  /** Makes a directory instead of a SIF. */
  sandbox?: boolean;
  /** Runs the sections over the sandbox that is there. */
  update?: boolean;
  /** `zstd` (default), `gzip`, `xz` or `lz4`, with `:level` where there are levels. */
  compression?: string;
  /** `NAME=VALUE`. */
  buildArgs?: string[];
  buildArgFile?: string;
  warnUnusedBuildArgs?: boolean;
  /** Sections to run; all when absent. */
  sections?: string[];
  notest?: boolean;
  /** The definition is JSON. */
  json?: boolean;
  fakeroot?: boolean;
  ignoreSubuid?: boolean;
  ignoreFakerootCommand?: boolean;
  fixPerms?: boolean;
  /** GOARCH name. */
  arch?: string;
  bind?: string[];
  mount?: string[];
  /** Where temporary directories are made, when the user says so. */
  tmpdir?: string;
  noCleanup?: boolean;
  reproducible?: boolean;
  writableTmpfs?: boolean;
  /** For what another process of the build says. */
  jsonProgress?: boolean;
  /** For the messages of launches. */
  messageLevel?: number;
  color?: boolean;
}

/** Section names that `--section` may have. */
export const SECTION_NAMES = [
  'all',
  'none',
  'pre',
  'setup',
  'post',
  'files',
  'environment',
  'test',
  'labels',
  'runscript',
  'startscript',
  'help',
];

/** Set by a build for the process that it starts in a user namespace: the file that says what to do. */
export const INSIDE_VARIABLE = 'DAVIT_BUILD_TASK';
