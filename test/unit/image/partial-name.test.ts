import { basename, dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { partialBeside } from '../../../src/runtime/image/partial-name';

const bytesOf = (path: string): number => Buffer.byteLength(basename(path));

describe('the name of a file that is not complete yet', () => {
  test('is hidden, beside the file, and says whose it is', () => {
    expect(partialBeside('/images/a.sif', 7)).toBe('/images/.a.sif.7.partial');
  });

  test.each([
    ['of the longest name', 'n'.repeat(255)],
    ['of the longest name in characters of several bytes', `${'é'.repeat(126)}sif`],
    ['of characters that would be cut in two', `x${'😀'.repeat(63)}`],
  ])('fits, %s', (_, name) => {
    const partial = partialBeside(`/images/${name}`, '4194304.mwsmkuml');
    expect(dirname(partial)).toBe('/images');
    expect(bytesOf(`${partial}.old`)).toBeLessThanOrEqual(255);
    expect(bytesOf(partial)).toBeGreaterThan(200);
    expect(partial).toMatch(/\.4194304\.mwsmkuml\.partial$/);
    expect(partial).not.toContain('\uFFFD');
  });
});
