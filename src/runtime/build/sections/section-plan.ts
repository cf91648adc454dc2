/** The launch of a section inside the root that is being built: few mounts, nothing of the host that can be harmed. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { defaultConfig } from '../../config/directives';
import { REPORT_FD } from '../../instance/spawn';
import { type BindSpec, parseBinds } from '../../launch/bind-spec';
import { FALLBACK_SHELL, scriptOf } from '../../launch/compile';
import { addDev } from '../../launch/devices';
import { addUserBinds } from '../../launch/directories';
import { planEnvironment } from '../../launch/environment';
import { collectInjected } from '../../launch/injected';
import { addBind, type MountContext } from '../../launch/mount-context';
import { Notes } from '../../launch/notes';
import { type Action, type Caller, defaultLaunchOptions, type LaunchOptions } from '../../launch/options';
import {
  type CompiledPlan,
  compiled,
  DAVIT_VERSION,
  MODE,
  PLAN_FORMAT,
  type Step,
  type Variable,
} from '../../launch/plan';
import { fakerootVariables } from './fakeroot-command';

const SESSION_BYTES = 64 << 20;
/** Root of the container, whoever that is outside. */
const HOME = '/root';

export interface SectionRequest {
  /** `exec` runs `command`; `test` the image's test script. */
  action: Extract<Action, 'exec' | 'test'>;
  command: string[];
  /** Directory that is the root. */
  rootfs: string;
  /** Host directories that become /tmp and /var/tmp: what is left there does not get into the image. */
  tmp: string;
  varTmp: string;
  /** Nothing of the caller's environment but proxies and the terminal. */
  cleanEnv: boolean;
  variables: Record<string, string>;
  /** `--bind` and `--mount`. */
  binds: string[];
  mounts: string[];
  /** Writes go to memory and are lost. */
  writableTmpfs: boolean;
  /** This process is root in a user namespace: some mounts come with it and cannot be left behind. */
  inUserNamespace: boolean;
  /** fakeroot's library on the host, and the key of its daemon. */
  fakeroot?: { library: string; key: string };
  caller: Caller;
  messageLevel: number;
  color: boolean;
}

/**
 * Compiles a section. It is process 2 of a PID namespace: whatever it leaves running ends with it.
 * @throws RuntimeError BIND
 */
export function compileSection(request: SectionRequest): CompiledPlan {
  const { action, command, rootfs, caller, messageLevel, color } = request;
  const notes = new Notes();
  const options = launchOptions(request);
  const binds = parseBinds(request.binds, request.mounts, caller.cwd);
  const injection = collectInjected(options, { ...caller, env: {} }, notes);
  const output = { messageLevel, color, reportFd: REPORT_FD };
  const container = {
    path: { value: rootfs },
    name: { value: basename(rootfs) },
    binds: { value: binds.map(({ target }) => target).join(',') },
  };
  const home = { value: HOME };
  const environment = planEnvironment({ action, options, injection, home, container, isInstance: false });
  const { steps, namespaces } = planMounts(request, options, binds, notes);
  return compiled(
    {
      format: PLAN_FORMAT,
      davitVersion: DAVIT_VERSION,
      mode: MODE.child,
      namespaces,
      steps,
      program: {
        environment: { ...environment, set: [...(environment.set ?? []), ...sectionVariables(request)] },
        script: scriptOf(action, { options, output }, injection),
        arguments: command,
        shell: FALLBACK_SHELL,
        workingDirectory: { path: '/', fatal: false, fallbacks: [] },
        setUmask: true,
        umask: caller.umask,
      },
      output: { ...output, image: rootfs },
    },
    notes.list,
  );
}

function launchOptions({ cleanEnv }: SectionRequest): LaunchOptions {
  return { ...defaultLaunchOptions(), cleanEnv };
}

const ENVIRONMENT_FILE = '/.singularity.d/env/91-environment.sh';
/** What `%post` writes labels to. */
export const LABELS_FILE = '.build.labels';

function sectionVariables({ variables, caller, fakeroot }: SectionRequest): Variable[] {
  const named = {
    DAVIT_ENVIRONMENT: ENVIRONMENT_FILE,
    ...caCertificates(caller).variables,
    ...(fakeroot ? fakerootVariables(FAKEROOT_LIBRARY, fakeroot.key) : {}),
    ...variables,
  };
  return Object.entries(named).map(([name, value]) => ({ name, value }));
}

function planMounts(
  request: SectionRequest,
  options: LaunchOptions,
  binds: BindSpec[],
  notes: Notes,
): { steps: Step[]; namespaces: MountContext['namespaces']['namespaces'] } {
  const { rootfs, caller, inUserNamespace, writableTmpfs } = request;
  const namespaces = { user: false, mount: true as const, pid: true, ipc: false, uts: false, net: false };
  const steps: Step[] = [
    { propagation: { private: false } },
    { session: { sizeBytes: SESSION_BYTES } },
    { mountDirectory: { path: rootfs } },
    {
      rootfs: {
        writable: !writableTmpfs,
        sessionUpper: writableTmpfs,
        userXattr: inUserNamespace,
        // A mount that came with the namespace keeps its nosuid.
        allowSetuid: !inUserNamespace,
      },
    },
  ];
  const ctx: MountContext = {
    options,
    config: { ...defaultConfig(), mountDev: 'minimal' },
    caller,
    notes,
    // What mounts may look like depends on the namespace that this process is in, not on a new one.
    namespaces: {
      mode: MODE.child,
      namespaces: { ...namespaces, user: inUserNamespace },
      inside: { uid: 0, gid: 0 },
      fakeroot: inUserNamespace,
    },
    contained: true,
    writable: !writableTmpfs,
    changeable: true,
    noMount: new Set(),
    rootDir: rootfs,
    home: { target: HOME, explicit: false, custom: false },
    steps,
  };
  addSystemMounts(ctx, request);
  addUserBinds(ctx, binds);
  steps.push({ pivotRoot: {} });
  return { steps, namespaces };
}

function addSystemMounts(ctx: MountContext, { tmp, varTmp, inUserNamespace, fakeroot, caller }: SectionRequest): void {
  const { steps } = ctx;
  addDev(ctx, false);
  steps.push({ proc: { target: '/proc', fallbackBind: true } });
  addBind(ctx, {
    source: '/sys',
    target: '/sys',
    recursive: inUserNamespace,
    keepSuidDev: inUserNamespace,
    origin: '/sys',
  });
  // /var/tmp first: it may be a link to /tmp.
  addBind(ctx, { source: varTmp, target: '/var/tmp', optional: true, origin: 'tmp' });
  addBind(ctx, { source: tmp, target: '/tmp', optional: true, origin: 'tmp' });
  for (const target of ['/etc/resolv.conf', '/etc/hosts']) {
    if (existsSync(target)) steps.push({ file: { target, copyOf: target, optional: true } });
  }
  if (fakeroot) {
    addBind(ctx, { source: fakeroot.library, target: FAKEROOT_LIBRARY, readOnly: true, origin: 'fakeroot' });
  }
  const { bundle } = caCertificates(caller);
  if (bundle !== undefined) {
    addBind(ctx, { source: bundle, target: CA_BUNDLE, readOnly: true, optional: true, origin: 'certificates' });
  }
}

const FAKEROOT_LIBRARY = '/dev/libfakeroot.so';

/**
 * Where a section finds the authorities that the host trusts. Not over the image's own bundle: its package could not
 * renew that any more.
 */
const CA_BUNDLE = '/dev/host-ca-certificates.crt';

/** Variables by which programs are told of a bundle; those that the host has set are set for sections. */
const CA_VARIABLES = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'GIT_SSL_CAINFO',
  'PIP_CERT',
  'CARGO_HTTP_CAINFO',
  'NIX_SSL_CERT_FILE',
  'AWS_CA_BUNDLE',
  'npm_config_cafile',
];

/** The first bundle that a variable of the caller names, and the variables that are to name it. */
function caCertificates({ env }: Caller): { bundle?: string; variables: Record<string, string> } {
  const named = CA_VARIABLES.filter((name) => env[name]?.startsWith('/') && existsSync(env[name] as string));
  const [first] = named;
  if (first === undefined) return { variables: {} };
  const bundle = env[first] as string;
  const same = named.filter((name) => env[name] === bundle);
  return { bundle, variables: Object.fromEntries(same.map((name) => [name, CA_BUNDLE])) };
}
