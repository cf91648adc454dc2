import { describe, expect, it } from 'vitest';
import { globMatcher, isInstanceName } from '../../../src/runtime/instance/names';

describe('isInstanceName', () => {
  it('takes letters, digits, dot, underscore and hyphen', () => {
    for (const name of ['a', 'ok.name-1_X', '-', '...', 'a'.repeat(128)]) expect(isInstanceName(name), name).toBe(true);
    for (const name of ['', '.', '..', 'a/b', 'a b', 'ä', 'a\n', '*', 'a'.repeat(129)]) {
      expect(isInstanceName(name), name).toBe(false);
    }
  });
});

describe('globMatcher', () => {
  const matches = (pattern: string, ...names: string[]): string[] => names.filter(globMatcher(pattern));

  it('knows *, ? and classes', () => {
    expect(matches('web*', 'web', 'web1', 'aweb')).toEqual(['web', 'web1']);
    expect(matches('*2', 'web2', '2', 'web21')).toEqual(['web2', '2']);
    expect(matches('?', 'a', 'ab', '')).toEqual(['a']);
    expect(matches('w[ab-d]', 'wa', 'wc', 'we')).toEqual(['wa', 'wc']);
    expect(matches('w[^a]', 'wa', 'wb')).toEqual(['wb']);
    expect(matches('w[!a]', 'wa', 'wb')).toEqual(['wb']);
    expect(matches('[]a]', ']', 'a', 'b')).toEqual([']', 'a']);
  });

  it('takes everything else for itself', () => {
    expect(matches('a.b', 'a.b', 'axb')).toEqual(['a.b']);
    expect(matches('a+(b)|c$', 'a+(b)|c$', 'ab')).toEqual(['a+(b)|c$']);
    expect(matches('\\*', '*', 'a')).toEqual(['*']);
  });

  it('matches nothing for what is no pattern', () => {
    expect(matches('[', '[', 'a')).toEqual([]);
    expect(matches('[z-a]', 'z', 'a')).toEqual([]);
  });
});
