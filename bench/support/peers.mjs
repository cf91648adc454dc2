// The programs davit is measured beside: crun, bwrap and, where it is installed, apptainer.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectSuccess, machinery, Timer } from './clock.mjs';

/** crun for root: a bundle on the same root directory, with the cgroup2 view that some versions insist on. */
export function findCrun(bench) {
  const program = onPath('crun');
  if (!program) return void bench.skip('crun: not on PATH');
  if (process.getuid() !== 0) return void bench.skip('crun: measured as root only');
  const bundle = join(bench.temporary, 'bundle');
  mkdirSync(bundle);
  execFileSync(program, ['spec'], { cwd: bundle });
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.root = { path: bench.sandbox, readonly: true };
  config.process = { ...config.process, terminal: false, args: ['/bin/sleep', '1000000'] };
  delete config.process.rlimits;
  delete config.linux.resources;
  writeFileSync(file, JSON.stringify(config));
  const [{ clean }] = bench.subjects;
  const timer = new Timer({ cgroup2: true, directory: bundle });
  bench.closers.push(() => timer.close());
  // Without cgroups: their rules for devices need a right that some machines do not give, and davit makes none either.
  const global = [program, '--cgroup-manager=disabled', '--root', join(bench.temporary, 'crun')];
  const run = async (...args) => expectSuccess(['crun', ...args], await timer.run([...global, ...args], clean));
  return { run, bundle };
}

/** bwrap with the binds of a davit exec, on the unpacked directory. */
export function findBwrap(bench) {
  const program = onPath('bwrap');
  if (!program) return void bench.skip('bwrap: not on PATH');
  return {
    command(subject) {
      const words = [program, '--ro-bind', bench.sandbox, '/'];
      for (const path of ['/dev', '/proc', '/sys', subject.home, '/var/tmp', '/tmp'])
        words.push(path === '/dev' ? '--dev-bind' : '--bind', path, path);
      for (const path of ['/etc/hosts', '/etc/resolv.conf', '/etc/localtime']) words.push('--ro-bind-try', path, path);
      return [...words, '/bin/true'];
    },
  };
}

/**
 * apptainer on PATH, or what DAVIT_BENCH_APPTAINER says: the last word is the program, the words before it enter the
 * root directory it is installed in. The timer itself is started with these, so that entering is not measured.
 */
export function findApptainer(bench) {
  const [request] = machinery.parseCompare(['apptainer'], process.env);
  let found;
  try {
    found = machinery.findPeer(request, process.env.PATH ?? '');
  } catch (error) {
    return void bench.skip(`apptainer (or DAVIT_BENCH_APPTAINER): ${error.message}`);
  }
  const { prefix, program } = found;
  const timers = new Map();
  const envOf = (subject) => ({ APPTAINER_CONFIGDIR: join(subject.own, 'apptainer'), ...droppedCapabilities(subject) });
  const run = async (subject, args, options) => {
    if (!timers.has(subject)) timers.set(subject, new Timer({ directory: '/tmp', prefix, ...subject.identity }));
    const env = { ...subject.clean, ...envOf(subject) };
    return expectSuccess(['apptainer', ...args], await timers.get(subject).run([program, ...args], env, options));
  };
  bench.closers.push(async () => {
    for (const [subject, timer] of timers) {
      await run(subject, ['instance', 'stop', '--all']).catch(() => undefined);
      await timer.close();
    }
  });
  const list = (subject) => listed(run, subject);
  const words = [...prefix, program];
  return { run: (subject, ...args) => run(subject, args), words, env: envOf, list, refused: new Set() };
}

/** Apptainer, if it runs the image for this user. */
export async function apptainerFor(bench, subject) {
  if (!bench.apptainer || bench.apptainer.refused.has(subject)) return undefined;
  try {
    await bench.apptainer.run(subject, 'exec', bench.peerImage, '/bin/true');
    return bench.apptainer;
  } catch (error) {
    bench.apptainer.refused.add(subject);
    const [, why] = /(?:ERROR|FATAL)\s*:\s*(.*)/.exec(error.message) ?? ['', error.message];
    return void bench.skip(`apptainer as ${subject.name}: ${why}`);
  }
}

/** As root it stops where this machine's root lacks the capability (bit 24, capabilities(7)), unless told not to ask. */
function droppedCapabilities({ uid }) {
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  const has = (BigInt(`0x${bounding}`) >> 24n) & 1n;
  return uid === 0 && !has ? { APPTAINER_DROP_CAPS: 'CAP_SYS_RESOURCE' } : {};
}

async function listed(run, subject) {
  return JSON.parse((await run(subject, ['instance', 'list', '--json'], { output: true })).out).instances;
}

export function onPath(name) {
  return machinery.onPath(name, process.env.PATH ?? '');
}
