// The root directory of the demonstration's image: what `davit build` packs. Also used by tests that need an image
// without a shell:  node scripts/demo-image.mjs DIRECTORY  makes DIRECTORY/sandbox.
import { existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isMain, root, run } from './lib.mjs';

const source = join(root, 'examples/demo/httpd.cc');

const directories = ['dev', 'proc', 'sys', 'tmp', 'var/tmp', 'root', 'home', 'etc', 'bin', '.singularity.d/libs'];

const files = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/httpd\n',
  'etc/group': 'root:x:0:\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/resolv.conf': '',
  '.singularity.d/labels.json': '{\n\t"org.label-schema.name": "davit demonstration"\n}\n',
};

/** No shell in the image: the interpreter of both scripts is the service. The kernel adds script name and arguments. */
const scripts = {
  '.singularity.d/env/90-environment.sh': '#!/bin/sh\n\nexport DEMO_GREETING="good morning"\n',
  '.singularity.d/runscript': '#!/bin/httpd serve\n',
  '.singularity.d/startscript': '#!/bin/httpd serve\n',
};

const links = {
  singularity: '.singularity.d/runscript',
  environment: '.singularity.d/env/90-environment.sh',
};

/** Compiles the service where it is older than its source and lays out `work`/sandbox anew. @returns its path */
export function makeDemoSandbox(work) {
  const httpd = join(work, 'httpd');
  if (!existsSync(httpd) || statSync(httpd).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(work, { recursive: true });
    run('g++', ['-std=c++20', '-O2', '-fno-exceptions', '-fno-rtti', '-static', '-s', '-o', httpd, source]);
  }
  const sandbox = join(work, 'sandbox');
  rmSync(sandbox, { recursive: true, force: true });
  for (const name of directories) mkdirSync(join(sandbox, name), { recursive: true });
  write(sandbox, files, 0o644);
  write(sandbox, scripts, 0o755);
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(sandbox, name));
  run('cp', [httpd, join(sandbox, 'bin/httpd')], { echo: false });
  return sandbox;
}

function write(sandbox, contents, mode) {
  for (const [name, text] of Object.entries(contents)) {
    const path = join(sandbox, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
  }
}

if (isMain(import.meta.url)) process.stdout.write(`${makeDemoSandbox(resolve(process.argv[2] ?? 'build/demo'))}\n`);
