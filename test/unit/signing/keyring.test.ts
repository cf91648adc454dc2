import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  Keyring,
  keysDirectory,
  prepareKeyrings,
  siteKeyring,
  userKeyrings,
} from '../../../src/runtime/signing/keyring';
import { fingerprint, type Key, parseUserName, readKeys } from '../../../src/runtime/signing/openpgp';
import { generateKey } from '../../../src/runtime/signing/generate';
import { cleoPublic, cleoSecret } from '../../fixtures/signed';
import { ownPlace } from './support';

const place = ownPlace();
const silent = (): void => undefined;

let cleo: Key;
let secret: Key;
beforeAll(async () => {
  [cleo] = (await readKeys(Buffer.from(cleoPublic), 'test')) as [Key];
  [secret] = (await readKeys(Buffer.from(cleoSecret), 'test')) as [Key];
});

describe('the directory of the keyrings', () => {
  it('is Apptainer’s, unless somebody names another', () => {
    expect(keysDirectory({ HOME: '/home/a' })).toBe('/home/a/.apptainer/keys');
    expect(keysDirectory({ HOME: '/home/a', APPTAINER_CONFIGDIR: '/c' })).toBe('/c/keys');
    expect(keysDirectory({ HOME: '/h', APPTAINER_CONFIGDIR: '/c', SINGULARITY_SYPGPDIR: '/old' })).toBe('/old');
    expect(keysDirectory({ SINGULARITY_SYPGPDIR: '/old', APPTAINER_KEYSDIR: '/k' })).toBe('/k');
    expect(keysDirectory({ APPTAINER_KEYSDIR: '/k', DAVIT_KEYSDIR: '/d' })).toBe('/d');
    expect(keysDirectory({ HOME: '/home/a', DAVIT_KEYSDIR: ' ' })).toBe('/home/a/.apptainer/keys');
  });

  it('is made for its owner alone, and made so again', () => {
    const directory = place.path('made/keys');
    prepareKeyrings(directory, silent);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const { path } of Object.values(userKeyrings(directory))) expect(statSync(path).mode & 0o777).toBe(0o600);
    chmodSync(directory, 0o755);
    chmodSync(userKeyrings(directory).secret.path, 0o644);
    const warnings: string[] = [];
    prepareKeyrings(directory, (text) => warnings.push(text));
    expect(warnings).toEqual([`Directory mode (755) on ${directory} needs to be 700, fixing that...`]);
    expect(statSync(userKeyrings(directory).secret.path).mode & 0o777).toBe(0o600);
  });

  it('of the site is davit’s own where there is one', async () => {
    const [own, other] = [place.path('own'), place.path('other')];
    mkdirSync(own);
    mkdirSync(other);
    expect(siteKeyring([own, other]).path).toBe(`${own}/global-pgp-public`);
    siteKeyring([other]).add(cleo);
    expect(siteKeyring([own, other]).path).toBe(`${other}/global-pgp-public`);
    expect(statSync(`${other}/global-pgp-public`).mode & 0o777).toBe(0o644);
  });
});

describe('a keyring', () => {
  it('that is not there is empty', async () => {
    expect(await new Keyring(place.path('nosuch'), 0o600).load()).toEqual([]);
    expect(existsSync(place.path('nosuch'))).toBe(false);
  });

  it('takes keys and gives them back, in their order', async () => {
    const ring = new Keyring(place.path('ring'), 0o600);
    const other = await generateKey({ name: 'Dee', comment: '', email: 'd@example.org', passphrase: '', bits: 2048 });
    ring.add(cleo);
    ring.add(other.toPublic());
    expect((await ring.load()).map(fingerprint)).toEqual([fingerprint(cleo), fingerprint(other)]);
    expect(await ring.has(cleo)).toBe(true);
    expect(await ring.remove('0x0123')).toBe(false);
    expect(await ring.remove(`0x${fingerprint(cleo).toLowerCase()}`)).toBe(true);
    expect((await ring.load()).map(fingerprint)).toEqual([fingerprint(other)]);
    expect(statSync(ring.path).mode & 0o777).toBe(0o600);
  });

  it('of private keys keeps the others private when one goes', async () => {
    const ring = new Keyring(place.path('secret'), 0o600);
    const other = await generateKey({ name: 'Eve', comment: '', email: '', passphrase: 'pw', bits: 2048 });
    ring.add(secret);
    ring.add(other);
    await ring.remove(fingerprint(other));
    const [left] = await ring.load();
    expect(left?.isPrivate()).toBe(true);
    expect(left && fingerprint(left)).toBe(fingerprint(secret));
  });

  it('that is damaged is an error, and stays as it is', async () => {
    const ring = new Keyring(place.path('damaged'), 0o600);
    ring.add(cleo);
    appendFileSync(ring.path, Buffer.from([0x99, 0xff, 0xff, 1, 2]));
    const before = readFileSync(ring.path);
    await expect(ring.remove(fingerprint(cleo))).rejects.toMatchObject({ code: 'KEY', path: ring.path });
    expect(readFileSync(ring.path).equals(before)).toBe(true);
  });
});

describe('a name', () => {
  it.each([
    ['Ann (work) <ann@example.org>', 'Ann', 'work', 'ann@example.org'],
    ['Ann <ann@example.org>', 'Ann', '', 'ann@example.org'],
    ['Ann', 'Ann', '', ''],
    ['<ann@example.org>', '', '', 'ann@example.org'],
    ['Ann\u001b[31m', 'Ann?[31m', '', ''],
    ['', '', '', ''],
  ])('%j', (text, name, comment, email) => {
    expect(parseUserName(text)).toMatchObject({ name, comment, email });
  });
});

describe('a new key', () => {
  it.each([
    [{ name: 'a(b)' }, 'user id field contained invalid characters'],
    [{ bits: 1024 }, 'a key of 1024 bits cannot be made'],
  ])('%j is refused', async (wrong, why) => {
    const request = { name: 'n', comment: '', email: '', passphrase: '', bits: 2048, ...wrong };
    await expect(generateKey(request)).rejects.toThrowError(why);
  });

  it.each([
    [{ name: 'Ann', comment: 'work', email: 'ann@example.org' }, 'Ann (work) <ann@example.org>'],
    [{ name: 'Ann', comment: '', email: 'ann' }, 'Ann <ann>'],
    [{ name: '', comment: '', email: 'a@b' }, '<a@b>'],
    [{ name: '', comment: '', email: '' }, ''],
  ])('%j is a name, as the reference has it', async (parts, text) => {
    const key = await generateKey({ ...parts, passphrase: '', bits: 2048 });
    const [again] = await readKeys(Buffer.from(key.write()), 'test');
    expect(again?.getUserIDs()).toEqual([text]);
  });
});
