import { describe, expect, it } from 'vitest';
import {
  countedNames,
  expandHostlist,
  foldNames,
  isHostlist,
  MAX_NAMES,
  nameMatcher,
} from '../../../src/runtime/instance/hostlist';

describe('expandHostlist', () => {
  it.each([
    ['web', ['web']],
    ['web,db', ['web', 'db']],
    ['web-[1-3]', ['web-1', 'web-2', 'web-3']],
    ['n[08-11,20]', ['n08', 'n09', 'n10', 'n11', 'n20']],
    ['n[098-101]', ['n098', 'n099', 'n100', 'n101']],
    ['n[0-1,00]', ['n0', 'n1', 'n00']],
    ['r[1-2]n[1,3].x,db', ['r1n1.x', 'r1n3.x', 'r2n1.x', 'r2n3.x', 'db']],
    ['[5-6]', ['5', '6']],
    ['n[7-7]', ['n7']],
  ])('%s', (list, names) => expect(expandHostlist(list)).toEqual(names));

  it.each([
    ['web-[1-', /"\[" without "\]"/],
    ['web-1]', /"\]" without "\["/],
    ['web-[a-c]', /"a-c" is neither a number nor a range/],
    ['web-[]', /"" is neither/],
    ['web-[1,]', /"" is neither/],
    ['web-[[1-2]]', /neither a number/],
    ['web-[3-1]', /goes backwards/],
    ['web-[1-003]', /different widths/],
    ['web[12]', /\[12\] is one number/],
    ['web-[1-3,2]', /web-2 is in it twice/],
    ['web,,db', /is not a valid instance name/],
    ['w b-[1-2]', /is not a valid instance name/],
    ['', /is not a valid instance name/],
    ['[1234567890123456-1234567890123457]', /too many digits/],
    [`n[1-${MAX_NAMES + 1}]`, /more than 10000 names/],
    ['n[1-101][1-100]', /more than 10000 names/],
    ['n[1-999999999999999]', /more than 10000 names/],
    ['a[1-9999],b[1-9999]', /more than 10000 names/],
    [`${'a'.repeat(125)}[1-1000]`, /is not a valid instance name/],
  ])('refuses %s', (list, message) => {
    expect(() => expandHostlist(list)).toThrow(message);
    expect(() => expandHostlist(list)).toThrow(expect.objectContaining({ code: 'INSTANCE_NAME' }));
  });

  it('takes as many names as it says', () => expect(expandHostlist(`n[1-${MAX_NAMES}]`)).toHaveLength(MAX_NAMES));

  it('is told from a name by characters that no name has', () => {
    for (const list of ['a[1-2]', 'a,b', 'a]']) expect(isHostlist(list)).toBe(true);
    for (const name of ['a', '-', 'a.b_c-1']) expect(isHostlist(name)).toBe(false);
  });
});

describe('countedNames', () => {
  it('counts from 1', () => expect(countedNames('w', 3)).toEqual(['w-1', 'w-2', 'w-3']));
  it.each([0, -1, MAX_NAMES + 1, Number.NaN])('refuses %d', (count) =>
    expect(() => countedNames('w', count)).toThrow(expect.objectContaining({ code: 'OPTION' })),
  );
  it('refuses a list', () => expect(() => countedNames('w[1-2]', 2)).toThrow(/not a valid instance name/));
});

describe('nameMatcher', () => {
  const all = ['db', 'web', 'web0', 'web1', 'web2', 'web3', 'web8', 'web9', 'web10', 'web12', 'web-', 'web01'];
  it.each([
    ['web', ['web']],
    ['web*', all.filter((name) => name.startsWith('web'))],
    ['web[12]', ['web1', 'web2']],
    ['web[1-3]', ['web1', 'web2', 'web3']],
    ['web[!1-3]', ['web0', 'web8', 'web9', 'web-']],
    ['web[8-12]', ['web8', 'web9', 'web10', 'web12']],
    ['web[1,12]', ['web1', 'web12']],
    ['web[01-12]', ['web10', 'web12', 'web01']],
    ['web[1-12]*', ['web1', 'web2', 'web10', 'web12']],
    ['db,web[9-10]', ['db', 'web9', 'web10']],
    ['d?,web[12]', ['db', 'web1', 'web2']],
    ['web[', []],
    ['', []],
  ])('%s', (pattern, names) => expect(all.filter(nameMatcher(pattern))).toEqual(names));

  it('refuses a range that is none', () => {
    expect(() => nameMatcher('web[12-8]')).toThrow(/goes backwards/);
    expect(() => nameMatcher('web[1-100000]')).toThrow(/more than 10000/);
  });
});

describe('foldNames', () => {
  it.each([
    [['web-1', 'web-3', 'web-2', 'web-7'], 'web-[1-3,7]'],
    [['web-1'], 'web-1'],
    [['db', 'n01', 'n02'], 'db,n01,n02'],
    [['n0', 'n10', 'n9'], 'n[0,9-10]'],
  ])('%j', (names, folded) => {
    expect(foldNames(names)).toBe(folded);
    expect(expandHostlist(folded).sort()).toEqual([...names].sort());
  });
});
