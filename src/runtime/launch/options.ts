/**
 * What a launch can be asked for, after the command line, the environment variables and the configuration have been
 * merged. The command line (src/cli) and the programmatic API (src/index.ts) both end here; compile.ts starts here.
 */
export type Action = 'exec' | 'run' | 'shell' | 'test' | 'start';

export interface LaunchOptions {
  app?: string;
  bind: string[]; // specs as given: src[:dst[:opts]], commas separate several
  mount: string[]; // type=bind,source=…,destination=…
  writable: boolean;
  writableTmpfs: boolean;
  overlay: string[]; // path[:ro]
  home?: string; // src[:dst]
  noHome: boolean;
  contain: boolean;
  containAll: boolean;
  cleanEnv: boolean;
  env: Record<string, string>; // --env, evaluated unless noEval
  envFiles: string[];
  noEnv: string[];
  noEval: boolean;
  cwd?: string;
  hostname?: string;
  dns?: string;
  fakeroot: boolean;
  ignoreSubuid: boolean;
  userns: boolean;
  pid: boolean;
  noPid: boolean;
  ipc: boolean;
  uts: boolean;
  net: boolean;
  network?: string;
  noMount: string[];
  scratch: string[];
  workdir?: string;
  noInit: boolean;
  noUmask: boolean;
  compat: boolean;
  shell?: string; // --shell
  unsquash: boolean; // --unsquash, --unpack
  addCaps?: string;
  dropCaps?: string;
  keepPrivs: boolean;
  noPrivs: boolean;
  allowSetuid: boolean;
  pidFile?: string;
  waitSeconds?: number; // --wait
  logDir?: string;
}

/** Every option at its default: nothing asked for. */
export function defaultLaunchOptions(): LaunchOptions {
  return {
    bind: [],
    mount: [],
    writable: false,
    writableTmpfs: false,
    overlay: [],
    noHome: false,
    contain: false,
    containAll: false,
    cleanEnv: false,
    env: {},
    envFiles: [],
    noEnv: [],
    noEval: false,
    fakeroot: false,
    ignoreSubuid: false,
    userns: false,
    pid: false,
    noPid: false,
    ipc: false,
    uts: false,
    net: false,
    noMount: [],
    scratch: [],
    noInit: false,
    noUmask: false,
    compat: false,
    unsquash: false,
    keepPrivs: false,
    noPrivs: false,
    allowSetuid: false,
  };
}

/** Who calls, read once: the compiler asks the machine nothing else. */
export interface Caller {
  uid: number;
  gid: number;
  groups: number[];
  /** passwd(5) line of the caller; synthesised from uid, gid and the environment when there is none. */
  user: { name: string; gecos: string; home: string; shell: string };
  groupNames: Record<number, string>;
  cwd: string; // $PWD when it names the working directory, else getcwd
  /** The working directory with links resolved. */
  physicalCwd: string;
  env: Record<string, string | undefined>;
  umask: number;
  hostname: string;
  /** uid 0 with CAP_SYS_ADMIN in the initial user namespace: loop devices and kernel squashfs are possible. */
  privileged: boolean;
}
