/** The directives of davit.conf: Apptainer's names and defaults, once. */

export interface LaunchConfig {
  allowPidNs: boolean;
  allowIpcNs: boolean;
  allowUtsNs: boolean;
  allowUserNs: boolean;
  configPasswd: boolean;
  configGroup: boolean;
  configResolvConf: boolean;
  mountProc: boolean;
  mountSys: boolean;
  mountDev: 'yes' | 'no' | 'minimal';
  mountDevpts: boolean;
  mountHome: boolean;
  mountTmp: boolean;
  mountHostfs: boolean;
  mountSlave: boolean;
  /** Each as `source` or `source:target`. */
  bindPath: string[];
  userBindControl: boolean;
  enableOverlay: 'yes' | 'no' | 'try' | 'driver';
  enableUnderlay: 'yes' | 'no' | 'preferred';
  /** MiB. */
  sessiondirMaxSize: number;
  limitContainerPaths: string[];
  allowContainerSif: boolean;
  allowContainerSquashfs: boolean;
  allowContainerDir: boolean;
  rootDefaultCapabilities: 'full' | 'file' | 'no';
  /** Where helper programs are looked for; `$PATH:` stands for the caller's. */
  binaryPath: string;
  /** Each as `registry=URL`: asked before the registry itself; a path in the URL comes before the repository's. */
  registryMirrors: string[];
  /** Certificate authorities to trust in addition; empty for none. */
  registryCaFile: string;
  /** Blobs, or parts of a file, that are fetched at once. */
  downloadConcurrency: number;
  /** Bytes of such a part. */
  downloadPartSize: number;
  /** MiB that the layers of an image may hold, unpacked. */
  conversionMaxSize: number;
  /** Files, directories and links in all layers of an image together. */
  conversionMaxEntries: number;
  /** Launches are remembered and repeated without compiling them (docs/plan-cache.md). */
  planCache: boolean;
  /** For how long an image stays mounted behind its last instance, in milliseconds. */
  warmImagesMs: number;
}

/** The part that fetching images looks at. */
export type RegistrySettings = Pick<
  LaunchConfig,
  | 'registryMirrors'
  | 'registryCaFile'
  | 'downloadConcurrency'
  | 'downloadPartSize'
  | 'conversionMaxSize'
  | 'conversionMaxEntries'
>;

export type DirectiveType = 'bool' | 'number' | 'duration' | 'text' | 'list' | readonly string[];

export interface Directive {
  name: string;
  type: DirectiveType;
  /** Default, as it would be written in the file; a list's items are separated by commas. */
  fallback: string;
  /** What it sets; absent for a directive that is known and has no effect here. */
  key?: keyof LaunchConfig;
}

const YES = 'yes';
const NO = 'no';

/** Directives with an effect. */
const EFFECTIVE: [string, DirectiveType, string, keyof LaunchConfig][] = [
  ['allow pid ns', 'bool', YES, 'allowPidNs'],
  ['allow ipc ns', 'bool', YES, 'allowIpcNs'],
  ['allow uts ns', 'bool', YES, 'allowUtsNs'],
  ['allow user ns', 'bool', YES, 'allowUserNs'],
  ['config passwd', 'bool', YES, 'configPasswd'],
  ['config group', 'bool', YES, 'configGroup'],
  ['config resolv_conf', 'bool', YES, 'configResolvConf'],
  ['mount proc', 'bool', YES, 'mountProc'],
  ['mount sys', 'bool', YES, 'mountSys'],
  ['mount dev', ['yes', 'no', 'minimal'], YES, 'mountDev'],
  ['mount devpts', 'bool', YES, 'mountDevpts'],
  ['mount home', 'bool', YES, 'mountHome'],
  ['mount tmp', 'bool', YES, 'mountTmp'],
  ['mount hostfs', 'bool', NO, 'mountHostfs'],
  ['mount slave', 'bool', YES, 'mountSlave'],
  ['bind path', 'list', '/etc/localtime,/etc/hosts', 'bindPath'],
  ['user bind control', 'bool', YES, 'userBindControl'],
  ['enable overlay', ['yes', 'no', 'try', 'driver'], YES, 'enableOverlay'],
  ['enable underlay', ['yes', 'no', 'preferred'], YES, 'enableUnderlay'],
  ['sessiondir max size', 'number', '64', 'sessiondirMaxSize'],
  ['limit container paths', 'list', '', 'limitContainerPaths'],
  ['allow container sif', 'bool', YES, 'allowContainerSif'],
  ['allow container squashfs', 'bool', YES, 'allowContainerSquashfs'],
  ['allow container dir', 'bool', YES, 'allowContainerDir'],
  ['root default capabilities', ['full', 'file', 'no'], 'full', 'rootDefaultCapabilities'],
  ['binary path', 'text', '$PATH:', 'binaryPath'],
  ['registry mirror', 'list', '', 'registryMirrors'],
  ['registry ca file', 'text', '', 'registryCaFile'],
  ['download concurrency', 'number', '3', 'downloadConcurrency'],
  ['download part size', 'number', '5242880', 'downloadPartSize'],
  ['conversion max size', 'number', '262144', 'conversionMaxSize'],
  ['conversion max entries', 'number', '1000000', 'conversionMaxEntries'],
  ['plan cache', 'bool', YES, 'planCache'],
  ['warm images', 'duration', '0', 'warmImagesMs'],
];

/** Known to Apptainer and without effect here: read without a complaint, so that a site can copy its file. */
const WITHOUT_EFFECT: [string, DirectiveType, string][] = [
  ['allow setuid', 'bool', YES],
  ['max loop devices', 'number', '256'],
  ['shared loop devices', 'bool', NO],
  ['enable fusemount', 'bool', YES],
  ['memory fs type', ['tmpfs', 'ramfs'], 'tmpfs'],
  ['limit container owners', 'list', ''],
  ['limit container groups', 'list', ''],
  ['allow container encrypted', 'bool', YES],
  ['allow container extfs', 'bool', YES],
  ['allow setuid-mount encrypted', 'bool', YES],
  ['allow setuid-mount squashfs', ['yes', 'no', 'iflimited'], 'iflimited'],
  ['allow setuid-mount extfs', 'bool', NO],
  ['allow kernel squashfs', 'bool', YES],
  ['allow kernel extfs', 'bool', YES],
  ['always use nv', 'bool', NO],
  ['always use rocm', 'bool', NO],
  ['use nvidia-container-cli', 'bool', NO],
  ['allow net users', 'list', ''],
  ['allow net groups', 'list', ''],
  ['allow net networks', 'list', ''],
  ['allow netns paths', 'list', ''],
  ['cni configuration path', 'text', ''],
  ['cni plugin path', 'text', ''],
  ['suidbinary path', 'text', ''],
  ['mksquashfs procs', 'number', '0'],
  ['mksquashfs mem', 'text', ''],
  ['image driver', 'text', ''],
  ['download buffer size', 'number', '32768'],
  ['systemd cgroups', 'bool', YES],
  ['apptheus communication socket path', 'text', '/run/apptheus/gateway.sock'],
  ['apptheus socket path', 'text', '/run/apptheus/gateway.sock'],
  ['allow monitoring', 'bool', NO],
  ['sync writable extfs', 'bool', NO],
  ['mksquashfs path', 'text', ''],
  ['unsquashfs path', 'text', ''],
  ['cryptsetup path', 'text', ''],
  ['go path', 'text', ''],
  ['ldconfig path', 'text', ''],
  ['nvidia-container-cli path', 'text', ''],
  ['oci mode', 'bool', NO],
  ['tmp sandbox', 'bool', YES],
  ['sif fuse', 'bool', NO],
];

/** Every directive by name. Built when a file is read or printed, not at start-up. */
export function directives(): Map<string, Directive> {
  const all = new Map<string, Directive>();
  for (const [name, type, fallback, key] of EFFECTIVE) all.set(name, { name, type, fallback, key });
  for (const [name, type, fallback] of WITHOUT_EFFECT) all.set(name, { name, type, fallback });
  return all;
}

/** What is in force without a file. */
export function defaultConfig(): LaunchConfig {
  const config: Record<string, unknown> = {};
  for (const [, type, fallback, key] of EFFECTIVE) {
    if (type === 'bool') config[key] = fallback === YES;
    else if (type === 'number' || type === 'duration') config[key] = Number(fallback);
    else if (type === 'list') config[key] = splitList(fallback);
    else config[key] = fallback;
  }
  return config as unknown as LaunchConfig;
}

/** Items of a list: separated by commas, blanks around them dropped. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
