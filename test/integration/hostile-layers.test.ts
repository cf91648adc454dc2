/** Images made to do harm: each is refused with words, or stays inside its file; nothing is left behind. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { digestOf, type TarItem, tarOf } from '../fixtures/tar';
import { isRoot } from './support/capabilities';
import { type LayoutChanges, writeLayout } from './support/oci-layout';
import { withWorld } from './support/world';

const base: TarItem[] = [
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/hosts', content: 'of the image' },
];
const pax = (records: Record<string, string>): TarItem => {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    const digits = `${rest.length + String(rest.length).length}`.length;
    return `${rest.length + digits}${rest}`;
  });
  return { name: 'pax', type: 'x', content: lines.join('') };
};
const sparse = (name: string, bytes: number): TarItem[] => [
  pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': name, 'GNU.sparse.realsize': `${bytes}` }),
  { name, content: Buffer.concat([Buffer.from('1\n0\n3\n'.padEnd(512, '\0')), Buffer.from('abc')]) },
];
const other = digestOf(Buffer.from('other'));

const REFUSED: Record<string, [TarItem[], RegExp]> = {
  'a name with ..': [
    [{ name: '../escaped', content: 'x' }],
    /"[^"]*\.\.\/escaped": a name that leads out of the image/,
  ],
  'a name that climbs out': [[{ name: 'etc/../../escaped', content: 'x' }], /a name that leads out of the image/],
  'a hard link to something outside': [[{ name: 'x', type: '1', link: '../../etc/passwd' }], /outside of the image/],
  'a hard link to a file of the machine': [
    [{ name: 'x', type: '1', link: '/etc/machine-id' }],
    /a hard link to etc\/machine-id, which is not there/,
  ],
  'a whiteout of the parent': [[{ name: 'etc/.wh...', content: '' }], /a whiteout of something that is no file name/],
  'a whiteout of nothing': [[{ name: '.wh.', content: '' }], /a whiteout of something that is no file name/],
  'a sparse file of 1 TB': [sparse('huge', 2 ** 40), /the layers have more than \d+ bytes in files/],
  'a loop of links': [
    [
      { name: 'a', type: '2', link: 'b' },
      { name: 'b', type: '2', link: 'a' },
      { name: 'a/x', content: '' },
    ],
    /too many levels of symbolic links/,
  ],
};

const CONTRADICTIONS: Record<string, [LayoutChanges, RegExp]> = {
  'a layer with another digest': [{ layerDigest: other }, /digest/],
  'a layer of another size': [{ layerSize: 7 }, /has \d+ bytes, the manifest says 7/],
  'content with another digest': [{ diffId: other }, /its content has the digest .*, announced was/],
  'a layer that is cut off': [{ damage: (blob) => blob.subarray(0, blob.length - 9) }, /digest|bytes|cut off/],
  'a damaged layer': [
    { damage: (blob) => Buffer.concat([blob.subarray(0, 40), Buffer.from('damage'), blob.subarray(46)]) },
    /digest/,
  ],
  'more layers than the configuration has': [
    { config: { rootfs: { type: 'layers', diff_ids: [other, other] } } },
    /the manifest has 1 layers, the image configuration 2/,
  ],
  'an index that leads nowhere': [
    {
      index: (entry) => ({
        schemaVersion: 2,
        manifests: [{ ...entry, mediaType: 'application/vnd.oci.image.index.v1+json', digest: other }],
      }),
    },
    /ENOENT|no such file/i,
  ],
  'an index of 5 MB': [
    { index: (entry) => ({ schemaVersion: 2, manifests: [entry], annotations: { x: 'x'.repeat(5 << 20) } }) },
    /limit/,
  ],
};

withWorld('a hostile image', (world) => {
  let layout: string;
  let count = 0;
  beforeEach(() => {
    layout = world().path(`layout-${count++}`);
  });

  /** Pulls with a temporary directory of its own, which is empty afterwards whatever comes of it. */
  async function pull(uri: string, env: Record<string, string> = {}) {
    const temporary = world().makeDirectory(`tmp-${count}`);
    const target = world().path('work', `${count}.sif`);
    const made = await world().davitWith({ env: { DAVIT_TMPDIR: temporary, ...env } }, 'pull', target, uri);
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(world().path('work')).filter((name) => name.includes('partial'))).toEqual([]);
    const cache = join(world().home, '.davit/cache');
    const left = existsSync(cache) ? readdirSync(cache, { recursive: true }).map(String) : [];
    expect(left.filter((name) => /partial/.test(name))).toEqual([]);
    return { ...made, target };
  }

  async function expectRefused(uri: string, words: RegExp, env?: Record<string, string>): Promise<void> {
    const { code, stderr, target } = await pull(uri, env);
    expect(stderr).toMatch(words);
    expect(stderr).toMatch(/^FATAL: /m);
    expect(code).toBe(255);
    expect(existsSync(target)).toBe(false);
  }

  test.each(Object.entries(REFUSED))('%s', async (_title, [items, words]) => {
    await expectRefused(writeLayout(layout, [tarOf(base), tarOf(items)]), words);
    expect(existsSync(world().path('escaped'))).toBe(false);
  });

  test.each(Object.entries(CONTRADICTIONS))('%s', async (_title, [changes, words]) => {
    await expectRefused(writeLayout(layout, [tarOf(base)], changes), words);
  });

  test('a bomb, and as many entries as nobody needs: the limits are the site’s', async () => {
    const config = world().path('limits.conf');
    writeFileSync(config, 'conversion max size = 8\nconversion max entries = 1000\n');
    const env = { DAVIT_CONFIG_FILE: config };
    const zeros = tarOf([{ name: 'zeros', content: Buffer.alloc(64 << 20) }]);
    await expectRefused(writeLayout(layout, [zeros]), /more than 8388608 bytes[\s\S]*conversion max size/, env);
    const many = tarOf(Array.from({ length: 1001 }, (_, at) => ({ name: `f${at}` })));
    await expectRefused(
      writeLayout(`${layout}-many`, [many]),
      /more than 1000 entries[\s\S]*conversion max entries/,
      env,
    );
  });

  test('a link to the machine, and a file written through it, stay in the image', async () => {
    const machine = world().makeDirectory('machine');
    const items = [
      { name: 'evil', type: '2', link: machine },
      { name: 'evil/written', content: 'x' },
      { name: '/absolute', content: 'y' },
    ];
    const { code, target } = await pull(writeLayout(layout, [tarOf(base), tarOf(items)]));
    expect(code).toBe(0);
    expect(readdirSync(machine)).toEqual([]);
    const sandbox = world().path('sandbox');
    await world().ok('build', '--sandbox', sandbox, target);
    expect(readdirSync(machine)).toEqual([]);
    expect(readFileSync(join(sandbox, machine, 'written'), 'utf8')).toBe('x');
    expect(readFileSync(join(sandbox, 'absolute'), 'utf8')).toBe('y');
  });

  test('device nodes are root’s alone, and are told of', async () => {
    const devices = tarOf([...base, { name: 'etc/disk', type: '3', mode: 0o666 }]);
    const { code, stderr, target } = await pull(writeLayout(layout, [devices]));
    expect(code).toBe(0);
    expect(stderr.includes('1 device node left out')).toBe(!isRoot);
    expect(existsSync(target)).toBe(true);
  });

  test.each(['SIF', 'squashfs'])('a malformed %s', async (kind) => {
    const { target } = await pull(writeLayout(layout, [tarOf(base)]));
    const bytes = readFileSync(target);
    const start = kind === 'SIF' ? 0 : bytes.indexOf('hsqs');
    const broken = world().path(`broken-${kind}`);
    const sandbox = world().path('broken-sandbox');
    const header = Buffer.from(bytes.subarray(start));
    for (const size of [96, 200, 400, 700]) {
      writeFileSync(broken, header.subarray(0, size));
      const { code, stderr } = await world().davit('build', '--sandbox', sandbox, broken);
      expect(stderr).toMatch(/^FATAL: /m);
      expect(code).toBe(255);
      expect(existsSync(sandbox)).toBe(false);
    }
  });
});
