/** Fedora, the Enterprise Linuxes and others with RPM packages, by dnf(8) or yum(8). */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { RuntimeError } from '../../../errors';
import { headerValue, type Stage } from '../../../formats/definition/definition';
import type { BuildContext } from '../bundle/context';
import { requireHostProgram } from '../sections/host-program';
import type { BootstrapAgent } from './agent';
import { requiredHeader } from './header';
import { runHostProgram, wordsOf } from './run-host-program';

const INSTALL = 'install it: "dnf install dnf" or "apt install dnf"';
/** What makes a system of the packages: the release file, which also tells the version, and a shell. */
const BASE = ['/etc/redhat-release', 'coreutils'];

export const yum: BootstrapAgent = {
  async fill(stage, rootfs, ctx) {
    const program = requireHostProgram(['dnf', 'yum'], ctx.caller.env, INSTALL);
    const version = headerValue(stage, 'osversion');
    const configuration = writeConfiguration(stage, version, ctx);
    const settings = wordsOf(headerValue(stage, 'setopt')).map((word) => `--setopt=${word}`);
    const release = version === '' ? [] : [`--releasever=${version}`];
    const args = ['--noplugins', '-c', configuration, `--installroot=${rootfs}`, ...release, ...settings, '-y'];
    const { arch } = ctx.options;
    const forced = arch === undefined ? [] : [`--forcearch=${RPM_NAMES[arch] ?? arch}`];
    const packages = [...BASE, ...wordsOf(headerValue(stage, 'include'))];
    mkdirSync(`${rootfs}/etc`, { recursive: true });
    await runHostProgram(program, [...args, ...forced, 'install', ...packages], ctx);
    rmSync(`${rootfs}/var/cache/dnf`, { recursive: true, force: true });
    return { carried: {} };
  },
};

/** RPM's names of GOARCH architectures, where they differ. */
export const RPM_NAMES: Record<string, string> = {
  '386': 'i686',
  amd64: 'x86_64',
  arm: 'armv7hl',
  arm64: 'aarch64',
  loong64: 'loongarch64',
};

/** Only the repositories of the definition count, not the host's. */
function writeConfiguration(stage: Stage, version: string, ctx: BuildContext): string {
  const repositories: [string, string][] = [['base', requiredHeader(stage, 'mirrorurl')]];
  const updates = headerValue(stage, 'updateurl');
  if (updates !== '') repositories.push(['updates', updates]);
  const lines = [
    '[main]',
    `cachedir=${ctx.bundle.file('yum-cache')}`,
    'keepcache=0',
    'reposdir=/dev/null',
    'gpgcheck=0',
  ];
  for (const [name, url] of repositories) {
    if (url.includes('%{OSVERSION}') && version === '') {
      throw new RuntimeError('DEFINITION', 'the header key osversion is needed by a URL', { path: 'osversion' });
    }
    lines.push(`[${name}]`, `name=${name}`, `baseurl=${url.replaceAll('%{OSVERSION}', version)}`, 'enabled=1');
  }
  const path = ctx.bundle.file('yum.conf');
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
