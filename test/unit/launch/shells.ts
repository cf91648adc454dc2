/**
 * Runs an action script as the launcher's fallback does: by a real shell, with the environment that the launcher would
 * make. The image is a directory: its absolute paths in the script are moved below that directory.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CompiledPlan, Environment } from '../../../src/runtime/launch/plan';

export interface ShellCase {
  name: string;
  argv: string[];
}

const CANDIDATES: ShellCase[] = [
  { name: 'dash', argv: ['/usr/bin/dash'] },
  { name: 'busybox sh', argv: ['/usr/bin/busybox', 'sh'] },
  { name: 'bash as sh', argv: ['/bin/bash', '--posix'] },
];

/** The shells of this machine; at least one of them is on every Linux. */
export const SHELLS = CANDIDATES.filter(({ argv }) => existsSync(argv[0] as string));

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A directory that stands for the root of a container. */
export class FakeRoot {
  readonly path = mkdtempSync(join(tmpdir(), 'davit-root-'));

  write(path: string, text: string, mode = 0o755): this {
    const file = join(this.path, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
    return this;
  }

  /** Environment files as images have them, written anew in their shortest form. */
  withEnvironmentFiles(environment = ''): this {
    this.write('/.singularity.d/env/01-base.sh', '#!/bin/sh\n');
    this.write('/.singularity.d/env/90-environment.sh', `#!/bin/sh\n${environment}`);
    this.write('/.singularity.d/env/95-apps.sh', APPS);
    this.write('/.singularity.d/env/99-base.sh', BASE);
    return this;
  }

  run(compiledPlan: CompiledPlan, shell: ShellCase, hostEnv: Record<string, string>, cwd = '/'): Outcome {
    const { program, instance } = compiledPlan.plan;
    const env = applyRules(program?.environment ?? {}, hostEnv, instance?.name ?? 'web1');
    const argv = [...shell.argv, '-c', this.moved(program?.script ?? ''), 'davit', ...(program?.arguments ?? [])];
    const { status, stdout, stderr } = spawnSync(argv[0] as string, argv.slice(1), {
      env: { ...env, PWD: cwd },
      cwd,
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  }

  private moved(script: string): string {
    const moved = /(?<![\w/}*.'#!])\/(\.singularity\.d|scif|environment|apptainer|singularity|bin\/sh|bin\/bash)\b/g;
    return script
      .split('\n')
      .map((line) => (line.startsWith('printf') ? line : line.replace(moved, `${this.path}/$1`)))
      .join('\n');
  }
}

const APPS = `if [ -n "\${SINGULARITY_APPNAME:-}" ]; then
  PATH="/scif/apps/$SINGULARITY_APPNAME/bin:$PATH"
  export PATH
fi
`;
const BASE = `LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
[ -n "\${PS1:-}" ] || PS1="Apptainer> "
export LD_LIBRARY_PATH PS1
`;

/** What src/schema/launch.proto asks of the launcher, for an environment. */
export function applyRules(
  rules: Environment,
  host: Record<string, string>,
  instanceName: string,
): Record<string, string> {
  const env: Record<string, string> = {};
  const names: string[] = [];
  for (const [name, value] of Object.entries(host)) {
    const blocked =
      (rules.block ?? []).includes(name) || (rules.blockPrefixes ?? []).some((prefix) => name.startsWith(prefix));
    const allowed = !rules.onlyAllowed || (rules.allow ?? []).includes(name);
    if (blocked || !allowed || !/^[A-Za-z_]\w*$/.test(name)) continue;
    env[`DAVIT_HOST_${name}`] = value;
    names.push(name);
  }
  if (names.length > 0) env.DAVIT_HOST_NAMES = names.join(' ');
  for (const { name, value, fromHost, fromInstanceName } of rules.set ?? []) {
    const text = fromInstanceName ? instanceName : fromHost ? host[fromHost] : (value ?? '');
    if (text !== undefined) env[name as string] = text;
  }
  return env;
}

/** Output of `env -0` as a sorted list. */
export function envLines(stdout: string): string[] {
  return stdout
    .split('\0')
    .filter((line) => line !== '')
    .sort();
}
