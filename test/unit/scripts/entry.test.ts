import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const entryDir = resolve('scripts/entry');

// Prints where it is and what it was given; `unused` is compiled only when it is called.
const cli = `
const { basename } = require('node:path');
function unused() { return 'unused'; }
const words = [basename(__filename), typeof module.require, require.resolve('./cli.cjs') === __filename, ...process.argv.slice(2)];
process.stdout.write(words.join(' ') + '\\n');
`;

describe('the entry of the command line', () => {
  let dist: string;

  beforeEach(() => {
    dist = mkdtempSync(join(tmpdir(), 'davit-entry-'));
    for (const name of ['davit.cjs', 'loader.cjs']) copyFileSync(join(entryDir, name), join(dist, name));
    writeFileSync(join(dist, 'cli.cjs'), cli);
  });
  afterEach(() => rmSync(dist, { recursive: true, force: true }));

  const start = (...args: string[]) =>
    execFileSync(process.execPath, [join(dist, 'davit.cjs'), ...args], { encoding: 'utf8' });
  const writeCacheOf = (name: string, ...args: string[]) =>
    execFileSync(
      process.execPath,
      [join(entryDir, 'cache-run.cjs'), join(dist, `${name}.cjs`), join(dist, `${name}.cache`), ...args],
      { encoding: 'utf8' },
    );
  const writeCache = (...args: string[]) => writeCacheOf('cli', ...args);

  it('runs the bundle as a module of its own directory', () => {
    expect(start('a', 'b')).toBe('cli.cjs function true a b\n');
  });

  it('runs it from a code cache', () => {
    expect(writeCache('x')).toContain(' x\n');
    expect(existsSync(join(dist, 'cli.cache'))).toBe(true);
    expect(start('a')).toBe('cli.cjs function true a\n');
  });

  it('runs other bundles once, when they are asked for, from caches of their own', () => {
    writeFileSync(
      join(dist, 'cli.cjs'),
      "const get = () => require('./cold.cjs'); process.stdout.write(`${process.argv[2] ? get().word + (get() === get()) : ''}\\n`);",
    );
    writeFileSync(
      join(dist, 'cold.cjs'),
      "console.log('once'); exports.word = require('node:path').basename(__filename);",
    );
    expect(start()).toBe('\n');
    expect(start('cold')).toBe('once\ncold.cjstrue\n');
    expect(writeCacheOf('cold')).toBe('\n');
    expect(existsSync(join(dist, 'cold.cache'))).toBe(false);
    expect(writeCacheOf('cold', 'cold')).toBe('once\ncold.cjstrue\n');
    expect(readdirSync(dist).filter((name) => name.endsWith('.cache'))).toEqual(['cold.cache']);
    expect(start('cold')).toBe('once\ncold.cjstrue\n');
  });

  it('adds up what several runs compiled', () => {
    writeFileSync(join(dist, 'cli.cjs'), `${cli}; if (process.argv[2] === 'more') unused();`);
    writeCache('less');
    const before = statSync(join(dist, 'cli.cache')).size;
    writeCache('more');
    expect(statSync(join(dist, 'cli.cache')).size).toBeGreaterThan(before);
  });

  it.each([
    ['garbage', Buffer.from('no cache at all')],
    ['nothing', Buffer.alloc(0)],
  ])('does without a cache that V8 refuses: %s', (_, bytes) => {
    writeFileSync(join(dist, 'cli.cache'), bytes);
    expect(start('a')).toBe('cli.cjs function true a\n');
  });
});
