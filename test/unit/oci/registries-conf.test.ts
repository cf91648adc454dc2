import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseReference } from '../../../src/formats/oci/reference';
import { matchLength, parseRegistriesConf, ruleFor } from '../../../src/formats/oci/registries-conf';
import { placesFor } from '../../../src/runtime/image/oci/registries-conf';
import { scratch } from './support';

describe('matching', () => {
  test.each([
    ['docker.io/library/alpine', 'docker.io', 9],
    ['docker.io/library/alpine', 'docker.io/library', 17],
    ['docker.io/library/alpine', 'docker.io/lib', -1],
    ['docker.io/library/alpine', 'docker', -1],
    ['a.example.org:5000/x', '*.example.org', 18],
    ['example.org/x', '*.example.org', -1],
    ['evil-example.org/x', '*.example.org', -1],
  ])('%s by %s', (name, prefix, length) => {
    expect(matchLength(name, prefix)).toBe(length);
  });

  test('the longest prefix wins, then the later one', () => {
    const rules = parseRegistriesConf(
      ['a.test', 'a.test/b', 'a.test/b']
        .map((prefix, at) => `[[registry]]\nlocation="${prefix}"\ninsecure=${at === 2}\n`)
        .join(''),
      '/f',
    );
    expect(ruleFor('a.test/b/c', rules)).toBe(rules[2]);
    expect(ruleFor('a.test/c', rules)).toBe(rules[0]);
    expect(ruleFor('b.test/c', rules)).toBeUndefined();
  });
});

describe('files', () => {
  function directories(files: Record<string, string>): { env: { HOME: string }; system: string } {
    const root = scratch();
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return { env: { HOME: join(root, 'home') }, system: join(root, 'etc') };
  }
  const places = (files: Record<string, string>, reference = 'r.test/a/b:1') => {
    const { env, system } = directories(files);
    return placesFor(parseReference(reference), env, system);
  };
  const at = (location: string): string => `[[registry]]\nprefix="r.test"\nlocation="${location}"\n`;

  test('the site’s, unless the user has one', async () => {
    expect(await places({ 'etc/registries.conf': at('site.test') })).toMatchObject({
      primary: { location: 'site.test/a/b' },
    });
    const own = { 'etc/registries.conf': at('site.test'), 'home/.config/containers/registries.conf': at('own.test') };
    expect(await places(own)).toMatchObject({ primary: { location: 'own.test/a/b' } });
  });

  test('drop-ins come behind them', async () => {
    const files = { 'etc/registries.conf': at('site.test'), 'etc/registries.conf.d/1.conf': at('one.test') };
    expect(await places(files)).toMatchObject({ primary: { location: 'one.test/a/b' } });
    const own = { ...files, 'home/.config/containers/registries.conf.d/1.conf': at('own.test') };
    expect(await places(own)).toMatchObject({ primary: { location: 'own.test/a/b' } });
  });

  test('none, or only comments, say nothing', async () => {
    expect(await places({})).toBeUndefined();
    expect(await places({ 'etc/registries.conf': '# unqualified-search-registries = ["x"]\n\n' })).toBeUndefined();
    expect(await places({ 'etc/registries.conf': 'short-name-mode = "permissive"\n' })).toBeUndefined();
  });

  test('mirrors for tags, for digests, for all', async () => {
    const mirror = (name: string, use?: string): string =>
      `[[registry.mirror]]\nlocation="${name}.test/x"\n${use === undefined ? '' : `pull-from-mirror="${use}"\n`}`;
    const text = `[[registry]]\nlocation="r.test"\n${mirror('all')}${mirror('digest', 'digest-only')}${mirror('tag', 'tag-only')}`;
    const files = { 'etc/registries.conf': text };
    const names = async (reference: string): Promise<string[]> =>
      ((await places(files, reference))?.mirrors ?? []).map(({ location }) => location);
    expect(await names('r.test/a:1')).toEqual(['all.test/x/a', 'tag.test/x/a']);
    expect(await names(`r.test/a@sha256:${'0'.repeat(64)}`)).toEqual(['all.test/x/a', 'digest.test/x/a']);
  });

  test.each(['[[registry]]\n', '[[registry]]\nlocation="r.test"\n[[registry.mirror]]\n', 'registry = 1\n', '= 1\n'])(
    '%j is refused',
    async (text) => {
      await expect(places({ 'etc/registries.conf': text })).rejects.toMatchObject({ code: 'CONFIG' });
    },
  );
});
