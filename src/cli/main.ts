/** The program: what dist/davit.cjs runs. */
import { doing, endTiming, noteTiming } from '../timing';
import { observedEnvironment } from '../witness';
import { dispatch } from './dispatch';
import { Terminal } from './terminal/render';

const FAILED = 255;

/** What the front door hides from Node has this in front of its name (native/launcher/roles.h). */
const HIDDEN_PREFIX = 'DAVIT_HIDDEN_';
const HIDDEN = ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'];

/** The environment as the caller has it. */
function callerEnvironment(): Record<string, string | undefined> {
  const env = { ...process.env };
  for (const name of HIDDEN) {
    const value = env[HIDDEN_PREFIX + name];
    if (value === undefined) continue;
    env[name] = value;
    delete env[HIDDEN_PREFIX + name];
  }
  return env;
}

/** Nanoseconds of CLOCK_MONOTONIC. */
function now(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

function end(code: number): void {
  endTiming(code !== 0);
  process.exit(code);
}

const words = process.argv.slice(2);
noteTiming(words, { now, front: process.env.DAVIT_FRONT });
doing('parse');
dispatch(words, observedEnvironment(callerEnvironment()), new Terminal()).then(end, () => end(FAILED));
