/** `sign`, `verify` and `key`: as a user calls them. Needs nothing of the machine but a terminal in one test. */
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apptainer, describeWithApptainer } from './support/apptainer';
import { testWith } from './support/capabilities';
import { TerminalSession } from './support/terminal';
import { withWorld } from './support/world';

const NEWPAIR = ['key', 'newpair', '--bit-length', '2048', '--comment', ''];

withWorld('signatures', (world) => {
  const keys = (name: string): Record<string, string> => ({ DAVIT_KEYSDIR: world().path('keys', name) });
  const ann = (): { env: Record<string, string> } => ({ env: keys('ann') });

  let copies = 0;
  /** An image that nobody else signs. */
  function image(from = world().image()): string {
    const path = world().path(`copy-${copies++}.sif`);
    copyFileSync(from, path);
    return path;
  }

  /** Keyring with one key, its fingerprint, and an image signed by it. */
  const made = { fingerprint: '', signed: '' };
  beforeAll(async () => {
    await world().okWith(ann(), ...NEWPAIR, '--name', 'Ann', '--email', 'ann@example.org', '--password', 'secret');
    made.fingerprint = /Fingerprint: +([0-9A-F]{40})/.exec(await world().okWith(ann(), 'key', 'list'))?.[1] ?? '';
    made.signed = image();
    await world().okWith({ ...ann(), input: 'secret\n' }, 'sign', made.signed);
  });

  describe('an image', () => {
    test('is signed with a key of the keyring, and verified', async () => {
      const result = await world().davitWith(ann(), 'verify', '--local', made.signed);
      expect(result.status).toBe(0);
      expect(result.stdout.split('\n').slice(0, 5)).toEqual([
        '[LOCAL]            Signing entity: Ann <ann@example.org>',
        `[LOCAL]            Fingerprint: ${made.fingerprint}`,
        'Objects verified:',
        'ID  |GROUP   |LINK    |TYPE',
        '------------------------------------------------',
      ]);
      expect(result.stderr).toContain(`INFO:    Verified signature(s) from image '${made.signed}'`);
      const json = JSON.parse(await world().okWith(ann(), 'verify', '--local', '--json', made.signed));
      expect(json.Signatures).toBe(1);
      expect(json.SignerKeys.every((row: { Signer: { DataCheck: boolean } }) => row.Signer.DataCheck)).toBe(true);
    });

    test('still runs', async () => {
      expect(statSync(made.signed).mode & 0o111).toBe(0o111);
      expect(await world().okWith(ann(), 'sif', 'list', made.signed)).toContain('Signature (SHA-256)');
    });

    test('that was changed is refused, and so is one that nobody knows', async () => {
      const changed = image(made.signed);
      const bytes = readFileSync(changed);
      const at = bytes.length >> 1;
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(changed, bytes);
      const result = await world().davitWith(ann(), 'verify', '--local', changed);
      expect(result.status).toBe(255);
      expect(result.stderr).toMatch(
        /FATAL: {3}Failed to verify container: integrity: data object integrity compromised/,
      );
      const stranger = await world().davitWith({ env: keys('nobody') }, 'verify', '--local', made.signed);
      expect(stranger.status).toBe(255);
      expect(stranger.stderr).toContain('openpgp: signature made by unknown entity');
      expect(existsSync(world().path('keys/nobody'))).toBe(false);
      const unsigned = await world().davitWith(ann(), 'verify', '--local', world().image());
      expect(unsigned.stderr).toContain('integrity: signature not found for object group 1');
    });

    test('is not signed with a wrong passphrase, or without a key', async () => {
      const path = image();
      const before = readFileSync(path);
      const wrong = await world().davitWith({ ...ann(), input: 'wrong\n' }, 'sign', path);
      expect(wrong.status).toBe(255);
      expect(wrong.stderr).toContain('Failed to sign container: openpgp: invalid data: private key checksum failure');
      const none = await world().davitWith({ env: keys('empty') }, 'sign', path);
      expect(none.stderr).toContain('Failed to sign container: keyring is empty');
      expect(readFileSync(path).equals(before)).toBe(true);
    });

    testWith(['terminal'], 'the passphrase is asked on a terminal, and not shown', async () => {
      const session = new TerminalSession(world(), ['sign', image()], ann());
      await session.expect(/Enter key passphrase : $/);
      await session.line('secret', /Signature created and applied/);
      expect(await session.end()).toBe(0);
      expect(session.shown).not.toContain('secret');
    });

    test('is built upon when those have signed it whom the definition names', async () => {
      const define = (fingerprint: string): string =>
        world().write('signed.def', `Bootstrap: localimage\nFrom: ${made.signed}\nFingerprints: ${fingerprint}\n`);
      const built = world().path('built.sif');
      const good = await world().davitWith(ann(), 'build', '--force', built, define(made.fingerprint.toLowerCase()));
      expect(good, good.stderr).toMatchObject({ status: 0 });
      expect(good.stderr).toContain('Checking bootstrap image verifies with fingerprint(s): [');
      const other = `${made.fingerprint}, ${'A'.repeat(40)}`;
      const bad = await world().davitWith(ann(), 'build', '--force', world().path('bad.sif'), define(other));
      expect(bad.status).toBe(255);
      expect(bad.stderr).toContain('while checking fingerprint: image not signed by required entities');
      expect(existsSync(world().path('bad.sif'))).toBe(false);
      const post = `${define(other)}`;
      writeFileSync(post, `${readFileSync(post, 'utf8')}%post\n  true\n`);
      const withPost = await world().davitWith(ann(), 'build', '--force', world().path('bad.sif'), post);
      expect(withPost.stderr).toContain('image not signed by required entities');
    });
  });

  describe('PEM keys', () => {
    test('sign and verify', async () => {
      const { generateKeyPairSync } = await import('node:crypto');
      const pair = generateKeyPairSync('ed25519');
      const secret = world().write('ed.pem', String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })), 0o600);
      const open = world().write('ed.pub', String(pair.publicKey.export({ type: 'spki', format: 'pem' })));
      const path = image();
      await world().ok('sign', '--key', secret, path);
      expect(await world().ok('verify', '--key', open, path)).toContain('Objects verified:');
      const encrypted = pair.privateKey.export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'pw',
      });
      await world().okWith(
        { input: 'pw\n' },
        'sign',
        '--key',
        world().write('enc.pem', String(encrypted), 0o600),
        image(),
      );
      const both = await world().davit('verify', '--local', path);
      expect(both.stderr).toContain('key material not provided for DSSE envelope signature');
    });
  });

  describe('keys', () => {
    test('go from keyring to keyring, by files', async () => {
      const [open, secret] = [world().path('ann.asc'), world().path('ann.sec')];
      await world().okWith({ ...ann(), input: '0\n' }, 'key', 'export', '--armor', open);
      await world().okWith({ ...ann(), input: '0\nsecret\n' }, 'key', 'export', '--secret', secret);
      expect(statSync(secret).mode & 0o777).toBe(0o600);
      const bob = { env: keys('bob') };
      expect(await world().okWith(bob, 'key', 'import', open)).toContain(
        `${made.fingerprint} successfully added to the public`,
      );
      const again = await world().davitWith(bob, 'key', 'import', open);
      expect([again.status, again.stderr]).toEqual([
        2,
        `ERROR:   key import command failed: the key with fingerprint ${made.fingerprint} already belongs to the keyring\n`,
      ]);
      await world().okWith(bob, 'verify', '--local', made.signed);
      await world().okWith(bob, 'key', 'remove', made.fingerprint);
      await world().okWith({ ...bob, input: 'secret\n' }, 'key', 'import', secret);
      expect(await world().okWith(bob, 'key', 'list', '--secret')).toContain(made.fingerprint);
      await world().okWith({ ...bob, input: 'secret\n' }, 'sign', image());
      await world().okWith(bob, 'key', 'remove', '--both', made.fingerprint);
      const gone = await world().davitWith(bob, 'key', 'remove', '--both', made.fingerprint);
      expect(gone.stderr).toContain('Unable to remove neither public key: no key matching given fingerprint found');
    });

    test('that are two are chosen by number', async () => {
      const two = { env: keys('two') };
      await world().okWith(two, ...NEWPAIR, '--name', 'One', '--email', '', '--password', 'pw');
      const second = world().path('second');
      await world().okWith({ ...ann(), input: '0\nsecret\n' }, 'key', 'export', '--secret', second);
      await world().okWith({ ...two, input: 'secret\n' }, 'key', 'import', second);
      const path = image();
      const asked = await world().okWith({ ...two, input: '1\nsecret\n' }, 'sign', path);
      expect(asked).toMatch(
        /^0\) U: One \(\) <>\n {3}C: .*\n {3}F: [0-9A-F]{40}\n {3}L: 2048\n {3}--------\n1\) U: Ann \(\) <ann@example\.org>/,
      );
      await world().okWith({ ...two, input: 'pw\n' }, 'sign', '--keyidx', '0', path);
      const seen = await world().okWith(two, 'verify', '--local', path);
      expect(seen.match(/Signing entity: \w+/g)).toEqual(['Signing entity: Ann', 'Signing entity: One']);
      const beyond = await world().davitWith(two, 'sign', '--keyidx', '7', path);
      expect(beyond.stderr).toContain('Failed to sign container: index out of range');
    });
  });

  describe('a key server', () => {
    let server: Server;
    let url = '';
    const held = new Map<string, string>();

    /** What HKP asks for: the key with an id, an index, and a place to put keys. */
    beforeAll(async () => {
      server = createServer((request, response) => {
        const asked = new URL(request.url ?? '', 'http://x');
        const id = (asked.searchParams.get('search') ?? '').replace(/^0x/i, '').toUpperCase();
        const found = [...held].find(([fingerprint]) => id !== '' && fingerprint.endsWith(id));
        if (request.method === 'POST' && asked.pathname === '/pks/add') {
          let body = '';
          request.on('data', (chunk) => {
            body += chunk;
          });
          request.on('end', () => {
            held.set(made.fingerprint, new URLSearchParams(body).get('keytext') ?? '');
            response.end();
          });
        } else if (asked.searchParams.get('op') === 'get' && found) response.end(found[1]);
        else if (asked.searchParams.get('op') === 'index' && held.size > 0) {
          response.end(`info:1:1\npub:${made.fingerprint}:1:2048:1700000000::\nuid:Ann%20%3Cann%40example.org%3E:::\n`);
        } else response.writeHead(404).end('not found');
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(() => new Promise((done) => server.close(done)));

    test('has no key before it was pushed, and has it then', async () => {
      const carl = { env: keys('carl') };
      const missing = await world().davitWith(carl, 'key', 'pull', '--url', url, made.fingerprint);
      expect([missing.status, missing.stderr]).toEqual([
        2,
        'ERROR:   pull failed: unable to pull key from server: no matching keys found for fingerprint\n',
      ]);
      const refused = await world().davitWith(carl, 'verify', '--url', url, made.signed);
      expect(refused.stderr).toContain('WARNING: failed to get key material: 404 Not Found');
      expect(refused.status).toBe(255);

      const pushed = await world().okWith(ann(), 'key', 'push', '--url', url, made.fingerprint);
      expect(pushed).toBe(`public key \`${made.fingerprint}' pushed to server successfully\n`);
      expect(await world().okWith(carl, 'key', 'search', '--url', url, 'ann')).toBe(
        `Showing 1 results\n\nKEY ID    BITS  NAME/EMAIL\n${made.fingerprint.slice(-8)}  2048  Ann <ann@example.org>\n`,
      );
      expect(await world().okWith(carl, 'verify', '--url', url, made.signed)).toContain(
        '[REMOTE]           Fingerprint: ',
      );
      const ring = world().path('keys/carl/pgp-public');
      for (const count of [1, 0]) {
        expect(await world().okWith(carl, 'key', 'pull', '--url', url, made.fingerprint)).toBe(
          `${count} key(s) added to keyring of trust ${ring}\n`,
        );
      }
      await world().okWith(carl, 'verify', '--local', made.signed);
    });

    test('that is not there is an error', async () => {
      const result = await world().davitWith(ann(), 'key', 'search', '--url', 'http://127.0.0.1:9', 'ann');
      expect([result.status, result.stderr]).toEqual([
        2,
        expect.stringContaining('search failed: failed to get key: '),
      ]);
    });
  });

  describeWithApptainer('Apptainer and davit', () => {
    /** Both tools, one keyring: whoever Apptainer runs as must own it. */
    const shared = (): Record<string, string> => ({
      DAVIT_KEYSDIR: world().path('shared'),
      APPTAINER_KEYSDIR: world().path('shared'),
    });

    test('verify each other’s signatures with one keyring', async () => {
      await world().okWith(
        { env: shared() },
        ...NEWPAIR,
        '--name',
        'Both',
        '--email',
        'b@example.org',
        '--password',
        'pw',
      );
      const [ours, theirs] = [image(), image()];
      await world().okWith({ env: shared(), input: 'pw\n' }, 'sign', ours);
      expect(await apptainer(world(), { env: shared(), input: 'pw\n' }, 'sign', theirs)).toMatchObject({ status: 0 });
      for (const path of [ours, theirs]) {
        const own = await world().davitWith({ env: shared() }, 'verify', '--local', path);
        const other = await apptainer(world(), { env: shared() }, 'verify', '--local', path);
        expect([own.status, own.stdout]).toEqual([0, other.stdout]);
      }
      const listed = await apptainer(world(), { env: shared() }, 'key', 'list', '--secret');
      expect(await world().okWith({ env: shared() }, 'key', 'list', '--secret')).toBe(listed.stdout);
    });

    test.each(['rsa', 'ec', 'ed25519'] as const)('verify each other’s signatures by %s keys', async (kind) => {
      const { generateKeyPairSync } = await import('node:crypto');
      const make = {
        rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
        ec: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
        ed25519: () => generateKeyPairSync('ed25519'),
      };
      const pair = make[kind]();
      const secret = world().write(`${kind}.pem`, String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })));
      const open = world().write(`${kind}.pub`, String(pair.publicKey.export({ type: 'spki', format: 'pem' })));
      const [ours, theirs] = [image(), image()];
      await world().ok('sign', '--key', secret, ours);
      expect(await apptainer(world(), {}, 'sign', '--key', secret, theirs)).toMatchObject({ status: 0 });
      expect(await apptainer(world(), {}, 'verify', '--key', open, ours)).toMatchObject({ status: 0 });
      await world().ok('verify', '--key', open, theirs);
    });
  });
});
