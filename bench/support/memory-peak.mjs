// The most memory that a command and all its processes had together: proportional set sizes, looked at every few
// milliseconds. For commands that take a second or more.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const everyMs = 15;

/** @returns MiB; the command must succeed */
export function peakMiB([program, ...args], env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, cwd: '/tmp', stdio: ['ignore', 'ignore', 'pipe'] });
    let words = '';
    child.stderr.on('data', (bytes) => {
      words += bytes;
    });
    let most = 0;
    const timer = setInterval(() => {
      const kib = descendants(child.pid).reduce((sum, pid) => sum + pssKib(pid), 0);
      most = Math.max(most, kib / 1024);
    }, everyMs);
    child.once('error', reject);
    child.once('close', (status) => {
      clearInterval(timer);
      if (status === 0) resolve(most);
      else reject(new Error(`${program} ${args.join(' ')}: status ${status}: ${words.trim()}`));
    });
  });
}

function descendants(root) {
  const parents = new Map();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const [, parent] = /\) . (\d+)/.exec(read(`/proc/${name}/stat`)) ?? [];
    if (parent) parents.set(Number(name), Number(parent));
  }
  const isBelow = (pid) => pid === root || (parents.has(pid) && isBelow(parents.get(pid)));
  return [...parents.keys()].filter(isBelow);
}

function pssKib(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended
  }
}
