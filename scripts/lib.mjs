// What the scripts share. Plain Node, no dependencies: setup.mjs runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory of the project. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** True when the module at `url` is the program that was started, not an import. */
export function isMain(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
}

/** Ends the program with one message that names what is wrong and what to do. */
export function die(message, hint) {
  process.stderr.write(`davit: ${message}\n${hint ? `  ${hint}\n` : ''}`);
  process.exit(1);
}

/** Path of an executable on PATH (sbin directories included), or `undefined`. */
export function which(name) {
  const dirs = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter);
  return dirs
    .filter(Boolean)
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path) && statSync(path).isFile());
}

/**
 * Runs a command with inherited output and no input; ends the program when it fails, unless `check` is false.
 * @returns the exit status (128 + signal when a signal ended it)
 */
export function run(command, args, { check = true, echo = true, ...options } = {}) {
  if (echo) process.stdout.write(`> ${[command, ...args].join(' ').replaceAll(`${root}/`, '')}\n`);
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (result.error) die(`run "${command}": ${result.error.message}`);
  const status = result.status ?? 128 + 15;
  if (check && status !== 0) die(`"${command} ${args.join(' ')}" ended with status ${status}`);
  return status;
}

/** Writes `text` unless the file already holds it, so that its readers are not rebuilt; `touch` renews the time. */
export function writeIfChanged(path, text, { touch = false } = {}) {
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
  else if (touch) utimesSync(path, new Date(), new Date());
}

/** Time of the youngest of the files, in milliseconds; 0 without files. */
export function newestMtime(paths) {
  return Math.max(0, ...paths.map((path) => statSync(path).mtimeMs));
}

/** Time of the oldest of the files, in milliseconds; 0 when one is missing. */
export function oldestMtime(paths) {
  return Math.min(...paths.map((path) => (existsSync(path) ? statSync(path).mtimeMs : 0)));
}
