// npm run demo: makes an image of a small service that this project compiles itself, starts two instances of it, lists
// them, works inside them, fetches their pages, stops them. Every command is printed; the first failure ends it with
// status 1, and nothing stays behind. `--no-setup` leaves out the set-up (packages, node_modules, build).
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { makeDemoSandbox } from './demo-image.mjs';
import { isMain, root } from './lib.mjs';

const patienceMs = 30_000;

async function main(args) {
  if (!args.includes('--no-setup')) {
    const { setup } = await import('./setup.mjs');
    await setup('run');
  }
  // A state directory of its own: the demonstration sees, and stops, no instances but its own.
  const temporary = mkdtempSync(join(tmpdir(), 'davit-demo-'));
  const davit = davitIn(join(temporary, 'state'));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(davit, temporary, 128));
  let status = 0;
  try {
    await show(davit, writable(join(root, 'build')) ? join(root, 'build/demo') : temporary);
    process.stdout.write('\nThe demonstration is complete.\n');
  } catch (error) {
    process.stderr.write(`\ndemo: ${error.message}\n`);
    status = 1;
  }
  end(davit, temporary, status);
}

async function show(davit, work) {
  const image = join(work, 'httpd.sif');
  say('The image: one static executable, built from examples/demo/httpd.cc; no shell, no libraries');
  const sandbox = makeDemoSandbox(work);
  davit('build', '--force', image, sandbox);
  process.stdout.write(`${relative(root, image)}: ${statSync(image).size} bytes\n`);

  say('Two instances of it');
  const [one, two] = await freePorts(2);
  const ports = { one, two };
  for (const [name, port] of Object.entries(ports)) davit('instance', 'start', image, name, String(port));
  davit('instance', 'list');
  expectInstances(davit, ['one', 'two']);

  say('Their pages');
  for (const [name, port] of Object.entries(ports)) await expectPage(port, [`instance ${name}`, 'hits: 1']);

  say('Inside the first one: the same page, fetched by a second process of the instance');
  expect(davit('exec', 'instance://one', '/bin/httpd', 'get', String(ports.one)), ['instance one', 'hits: 2']);
  expect(davit('instance', 'logs', 'one'), [`listening on 127.0.0.1:${ports.one}`]);

  say('The end');
  davit('instance', 'stop', 'one');
  expectInstances(davit, ['two']);
  davit('instance', 'stop', '--all');
  expectInstances(davit, []);
  for (const port of Object.values(ports)) await expectClosed(port);
}

/**
 * What runs bin/davit: prints command and output (questions with --json are the demonstration's own and stay unsaid),
 * returns the standard output; a status other than 0 is an error.
 */
function davitIn(state) {
  const env = { ...process.env, DAVIT_STATE_DIR: state };
  return (...args) => {
    const print = (text) => args.includes('--json') || process.stdout.write(text);
    print(`$ davit ${args.map((arg) => (arg.startsWith(root) ? relative(root, arg) : arg)).join(' ')}\n`);
    const options = { cwd: root, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 };
    const result = spawnSync(join(root, 'bin/davit'), args, options);
    print(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    if (result.error) throw new Error(`run bin/davit: ${result.error.message}`);
    if (result.status !== 0)
      throw new Error(`"davit ${args[0]} ${args[1] ?? ''}" ended with ${result.status ?? result.signal}`);
    return result.stdout;
  };
}

/** Whatever the way here: no instance stays, and no file but the image. */
function end(davit, temporary, status) {
  try {
    // Without instances stop would say so and fail.
    const instances = join(temporary, 'state/instances');
    if (status !== 0 && existsSync(instances) && readdirSync(instances).length > 0)
      davit('instance', 'stop', '--all', '--force');
  } catch (error) {
    process.stderr.write(`demo: ${error.message}\n`);
  }
  rmSync(temporary, { recursive: true, force: true });
  process.exit(status);
}

function writable(directory) {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function say(text) {
  process.stdout.write(`\n# ${text}\n`);
}

function expect(text, parts) {
  const missing = parts.find((part) => !text.includes(part));
  if (missing !== undefined) throw new Error(`"${missing}" was expected in: ${text}`);
}

function expectInstances(davit, names) {
  const listed = JSON.parse(davit('instance', 'list', '--json')).instances.map((entry) => entry.instance);
  if (listed.sort().join() !== names.join())
    throw new Error(`instances ${names.join(', ')} expected, listed: ${listed.join(', ')}`);
}

/** `start` returns when the service has been executed; it listens a moment later. */
async function expectPage(port, parts) {
  const url = `http://127.0.0.1:${port}/`;
  process.stdout.write(`$ curl ${url}\n`);
  for (const since = Date.now(); ; ) {
    try {
      const text = await (await fetch(url)).text();
      process.stdout.write(text);
      return expect(text, parts);
    } catch (error) {
      if (error.cause?.code !== 'ECONNREFUSED' || Date.now() - since > patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function expectClosed(port) {
  const answered = await fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    () => false,
  );
  if (answered) throw new Error(`port ${port} still answers after the stop`);
}

/** Ports nobody listens on now, each another one; the kernel does not give them away again at once. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) {
    await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  }
  const ports = servers.map((server) => server.address().port);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

if (isMain(import.meta.url)) await main(process.argv.slice(2));
