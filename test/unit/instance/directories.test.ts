import { chmodSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cacheDirectory } from '../../../src/runtime/cache-directory';
import { defaultStateDirectory, stateDirectory } from '../../../src/runtime/state-directory';
import { makeStateDir, uid } from './fixtures';

describe('stateDirectory', () => {
  it('is what DAVIT_STATE_DIR says', () => {
    expect(stateDirectory(2000, { DAVIT_STATE_DIR: '/x' })).toBe('/x');
    expect(stateDirectory(2000, { DAVIT_STATE_DIR: 'x/y' })).toBe(`${process.cwd()}/x/y`);
    expect(stateDirectory(2000, { DAVIT_STATE_DIR: ' ' })).toBe(defaultStateDirectory(2000));
  });

  it('is below the site’s directory only where the site made one for all', () => {
    const site = makeStateDir();
    expect(defaultStateDirectory(2000, `${site}/none`)).toBe('/tmp/davit-2000');
    expect(defaultStateDirectory(0, `${site}/none`)).toBe(`${site}/none`);
    // Root's own directory is not one for all.
    expect(defaultStateDirectory(2000, site)).toBe('/tmp/davit-2000');
    chmodSync(site, 0o1777);
    const below = uid === 0 ? [`${site}/2000`, `${site}/0`] : ['/tmp/davit-2000', site];
    expect([defaultStateDirectory(2000, site), defaultStateDirectory(0, site)]).toEqual(below);
  });
});

describe('cacheDirectory', () => {
  const addon = { ensureStateDir: () => null };

  it('is what the variables say', () => {
    expect(cacheDirectory({ DAVIT_CACHEDIR: '/d', APPTAINER_CACHEDIR: '/a' }, 2000, addon)).toBe('/d');
    expect(cacheDirectory({ APPTAINER_CACHEDIR: '/a', SINGULARITY_CACHEDIR: '/s' }, 2000, addon)).toBe('/a/davit');
  });

  it('is in the home, or in /var/tmp without one', () => {
    const home = makeStateDir();
    expect(cacheDirectory({ HOME: home }, 2000, addon)).toBe(`${home}/.cache/davit`);
    expect(cacheDirectory({ HOME: `${home}/none` }, 2000, addon)).toBe('/var/tmp/davit-2000');
    expect(cacheDirectory({}, 2000, addon)).toBe('/var/tmp/davit-2000');
  });

  it('must be the caller’s own', () => {
    const refusing = { ensureStateDir: () => ({ errno: 'EPERM', message: 'belongs to uid 1' }) };
    expect(() => cacheDirectory({}, 2000, refusing)).toThrow('belongs to uid 1');
  });
});
