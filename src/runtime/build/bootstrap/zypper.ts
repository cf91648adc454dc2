/** openSUSE and SLE, by zypper(8). */
import { RuntimeError } from '../../../errors';
import { headerValue, type Stage } from '../../../formats/definition/definition';
import { requireHostProgram } from '../sections/host-program';
import type { BootstrapAgent } from './agent';
import { runHostProgram, wordsOf } from './run-host-program';

const INSTALL = 'install it: "zypper install zypper", "dnf install zypper" or "apt install zypper"';
/** What registers a SLE system with its vendor. */
const REGISTRATION = ['product', 'user', 'regcode', 'productpgp', 'registerurl', 'modules'];
const BASE = ['aaa_base', 'bash', 'coreutils', 'zypper'];

export const zypper: BootstrapAgent = {
  async fill(stage, rootfs, ctx) {
    const asked = REGISTRATION.find((key) => headerValue(stage, key) !== '');
    if (asked !== undefined) {
      throw new RuntimeError(
        'IMAGE_UNSUPPORTED',
        `bootstrap agent zypper: the header key ${asked} is not supported yet`,
        {
          path: asked,
          hint: 'use MirrorURL, UpdateURL and OtherURL0… with repositories that need no registration',
        },
      );
    }
    const repositories = repositoriesOf(stage);
    const program = requireHostProgram(['zypper'], ctx.caller.env, INSTALL);
    const version = headerValue(stage, 'osversion');
    const common = ['--root', rootfs, ...(version === '' ? [] : ['--releasever', version]), '--non-interactive'];
    for (const [name, url] of repositories) {
      await runHostProgram(program, [...common, 'addrepo', '--check', '--refresh', url, name], ctx);
    }
    await runHostProgram(program, [...common, '--gpg-auto-import-keys', 'refresh'], ctx);
    const packages = [...BASE, ...wordsOf(headerValue(stage, 'include'))];
    const install = ['install', '--auto-agree-with-licenses', '--no-recommends', '--download-in-advance', ...packages];
    await runHostProgram(program, [...common, ...install], ctx);
    return { carried: {} };
  },
};

/** @throws RuntimeError DEFINITION when there is none */
function repositoriesOf(stage: Stage): [name: string, url: string][] {
  const version = headerValue(stage, 'osversion');
  const named: [string, string][] = [
    ['repo', headerValue(stage, 'mirrorurl')],
    ['update', headerValue(stage, 'updateurl')],
    ...[...stage.header].flatMap(([key, { value }]): [string, string][] =>
      key.startsWith('otherurl') ? [[`repo-${key.slice('otherurl'.length)}`, value]] : [],
    ),
  ];
  const given = named.filter(([, url]) => url !== '');
  if (given.length === 0) {
    throw new RuntimeError('DEFINITION', 'bootstrap agent zypper needs a repository', {
      path: 'mirrorurl',
      hint: 'add a line "MirrorURL: …"',
    });
  }
  return given.map(([name, url]) => [name, url.replaceAll('%{OSVERSION}', version)]);
}
