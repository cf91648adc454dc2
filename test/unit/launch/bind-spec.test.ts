import { describe, expect, it } from 'vitest';
import { parseBinds, splitCsv } from '../../../src/runtime/launch/bind-spec';

const binds = (...texts: string[]) =>
  parseBinds(texts, [], '/cwd').map(({ source, target, readOnly }) => [source, target, readOnly]);
const mounts = (...texts: string[]) =>
  parseBinds([], texts, '/cwd').map(({ source, target, readOnly }) => [source, target, readOnly]);

describe('--bind', () => {
  it.each([
    ['/a', [['/a', '/a', false]]],
    ['/a:/b', [['/a', '/b', false]]],
    ['/a:/b:ro', [['/a', '/b', true]]],
    ['/a:/b:rw', [['/a', '/b', false]]],
    ['/a:/b:ro,rw', [['/a', '/b', true]]],
    ['/a:/b:rw,ro', [['/a', '/b', true]]],
    [
      '/a,/b:/c',
      [
        ['/a', '/a', false],
        ['/b', '/c', false],
      ],
    ],
    [
      '/a:/b:ro,/c',
      [
        ['/a', '/b', true],
        ['/c', '/c', false],
      ],
    ],
    [
      '/a,ro',
      [
        ['/a', '/a', false],
        ['/cwd/ro', '/cwd/ro', false],
      ],
    ],
    ['rel:/b', [['/cwd/rel', '/b', false]]],
    ['../x', [['/x', '/x', false]]],
    ['/a/../b//c/:/d/./e/', [['/b/c', '/d/e', false]]],
    ['/a\\:b:/c', [['/a:b', '/c', false]]],
    ['/a\\,b:/c', [['/a,b', '/c', false]]],
    [',/a,', [['/a', '/a', false]]],
  ])('%j', (text, expected) => {
    expect(binds(text)).toEqual(expected);
  });

  it.each([
    ['/a:b', 'destination must be an absolute path'],
    ['/a:/b:bad', 'bad is not a valid bind option'],
    ['/a:/b:ro:x', 'it has more than three fields'],
    [':/b', 'it has no source'],
    ['/a:/', 'the root of the container cannot be a destination'],
    ['/a.sif:/b:image-src=/x', 'images as sources are not supported yet'],
    ['/a.sif:/b:id=3', 'images as sources are not supported yet'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => binds(text)).toThrow(message);
  });
});

describe('--mount', () => {
  it.each([
    ['type=bind,source=/a,destination=/b', [['/a', '/b', false]]],
    ['type=bind,src=/a,dst=/b,ro', [['/a', '/b', true]]],
    ['src=a,target=/b,readonly', [['/cwd/a', '/b', true]]],
    ['type=bind,"src=/a,b",dst=/c', [['/a,b', '/c', false]]],
    ['type=bind,"src=/say ""x""",dst=/c', [['/say "x"', '/c', false]]],
  ])('%j', (text, expected) => {
    expect(mounts(text)).toEqual(expected);
  });

  it('nonested keeps a bind from nested launches', () => {
    expect(parseBinds([], ['src=/a,dst=/b,nonested'], '/')[0]?.nonested).toBe(true);
  });

  it.each([
    ['type=tmpfs,destination=/x', 'unsupported mount type "tmpfs", only \'bind\' is supported'],
    ['type=bind,src=/a,dst=/b,bind-propagation=shared', 'bind-propagation not supported'],
    ['type=bind,src=/a,dst=/b,foo=q', 'invalid key "foo" in mount specification'],
    ['type=bind,src=/a', 'mounts must specify a source and a destination'],
    ['type=bind,src=/a,dst=b', 'destination must be an absolute path'],
    ['type=bind,src=/a,dst=/b,image-src=/', 'images as sources are not supported yet'],
    ['type=bind,"src=/a,dst=/b', 'its quotes do not match'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => mounts(text)).toThrow(message);
  });

  it('splits as RFC 4180 does', () => {
    expect(splitCsv('a, "b,c" ,d')).toEqual(['a', 'b,c', 'd']);
  });
});
