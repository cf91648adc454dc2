// Everything between a fresh checkout and a working davit: Debian packages (as root), node_modules, build.
// Plain Node without dependencies. `npm run demo` and `npm test` begin with it; when all is there it takes a moment.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installCommand, missingDependencies, requireDependencies, requireNode } from './check-deps.mjs';
import { die, isMain, root, run, which } from './lib.mjs';

/**
 * Makes the project ready.
 * @param purpose what the machine must have: `run` (build, and instances of plain users) or `test` (what tests look at, too)
 */
export async function setup(purpose = 'run') {
  requireNode();
  systemPackages(purpose);
  nodeModules();
  const { build } = await import('./build.mjs');
  await build();
}

function systemPackages(purpose) {
  const missing = missingDependencies(purpose);
  if (missing.length === 0) return;
  if (process.getuid() === 0 && which('apt-get')) {
    aptInstall([...new Set(missing.flatMap((need) => need.debian.split(' ')))]);
    requireDependencies('build');
    return;
  }
  requireDependencies('build');
  const names = missing.map((need) => need.what).join(', ');
  process.stdout.write(
    `missing, but not needed for the build: ${names}\n  to have it, run: ${installCommand(missing)}\n`,
  );
}

function aptInstall(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], { env, check: false });
  const install = () => apt('install', '-y', '--no-install-recommends', ...packages);
  // The lists of a new machine are empty or old: they are fetched when the first try fails.
  if (install() !== 0 && (apt('update') !== 0 || install() !== 0)) {
    die(`apt-get could not install ${packages.join(' ')}`, 'see its messages above');
  }
}

function nodeModules() {
  if (installedAsLocked()) return;
  if (!which('npm')) die('npm is not on PATH', process.getuid() === 0 ? 'install npm' : 'ask for npm to be installed');
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
}

/** True when node_modules holds exactly the versions of package-lock.json; npm keeps its own account of what it did. */
function installedAsLocked() {
  const account = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(account)) return false;
  const installed = JSON.parse(readFileSync(account, 'utf8')).packages;
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(locked).every(([path, entry]) => {
    if (path === '') return true;
    if (!installed[path]) return entry.optional === true || entry.peer === true;
    return installed[path].version === entry.version && existsSync(join(root, path, 'package.json'));
  });
}

if (isMain(import.meta.url)) await setup(process.argv[2] ?? 'run');
