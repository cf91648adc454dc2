/**
 * The user guide's "Putting all together" with the real programs: examples/url-to-pdf, from its definition files to PDF
 * files. Gigabytes and minutes: only with DAVIT_TEST_URL_TO_PDF=1. guide.test.ts is its small twin.
 */
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { SECTIONS } from './support/definitions';
import { freePort } from './support/ports';
import { projectRoot, withWorld, type World } from './support/world';

const minutes = 60_000;
const wanted = process.env.DAVIT_TEST_URL_TO_PDF !== undefined;

/** Where the certificate authorities of the machine are, for npm: from the environment, else from its configuration. */
async function certificates(world: World): Promise<Record<string, string>> {
  const named = process.env.NODE_EXTRA_CA_CERTS;
  if (named !== undefined) return { NODE_EXTRA_CA_CERTS: named };
  const { stdout } = await world.command('npm', ['config', 'get', 'cafile'], { env: { HOME: homedir() } });
  const file = stdout.trim();
  return existsSync(file) ? { NODE_EXTRA_CA_CERTS: file } : {};
}

/** A page on loopback to make a PDF of. */
async function servePage(): Promise<Server> {
  const server = createServer((_request, response) =>
    response.setHeader('Content-Type', 'text/html').end('<h1>Harbour crane</h1><p>It launches boats.</p>'),
  );
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

function urlToPdf(): void {
  withWorld('the URL-to-PDF service', (world) => {
    const example = (...parts: string[]): string => world().path('url-to-pdf', ...parts);
    const out = (...parts: string[]): string => world().path('out', ...parts);
    let page: Server;
    let url = '';
    let port = 0;
    let env: Record<string, string> = {};

    beforeAll(async () => {
      cpSync(join(projectRoot, 'examples/url-to-pdf'), example(), { recursive: true });
      page = await servePage();
      url = `http://127.0.0.1:${(page.address() as AddressInfo).port}/page.html`;
      port = await freePort();
      env = { ...(await certificates(world())), DAVIT_TMPDIR: world().makeDirectory('tmp') };
      mkdirSync(out());
    });
    afterAll(() => page?.close());

    const build = async (...args: string[]): Promise<void> => {
      const options = { cwd: example(), env, timeoutMs: 15 * minutes };
      await world().okWith(options, 'build', ...args);
      expect(readdirSync(world().path('tmp'))).toEqual([]);
    };
    const text = async (pdf: string): Promise<string> => {
      expect(existsSync(pdf)).toBe(true);
      return (await world().command('pdftotext', [pdf, '-'])).stdout;
    };
    const curl = async (...args: string[]): Promise<string> => {
      const options = ['-sS', '--fail', '--retry', '60', '--retry-delay', '1', '--retry-connrefused'];
      const result = await world().command('curl', [...options, ...args], { timeoutMs: 2 * minutes });
      expect(result).toMatchObject({ status: 0 });
      return result.stdout;
    };

    test(
      'has a Debian with Node to begin with',
      async () => {
        const settings = await world().command(example('machine-settings'), [], { env: { HOME: homedir() } });
        expect(settings).toMatchObject({ status: 0, stdout: expect.stringMatching(/^MIRROR=.+\nNPM_REGISTRY=.+\n$/) });
        world().write('url-to-pdf/machine.args', settings.stdout);
        await build('--build-arg-file', 'machine.args', 'node.sif', 'node.def');
        expect(await world().ok('exec', example('node.sif'), 'node', '--version')).toMatch(/^v\d+/);
      },
      15 * minutes,
    );

    test(
      'is built, started, and answers with a PDF',
      async () => {
        await build('--build-arg', `PORT=${port}`, 'url-to-pdf.sif', 'url-to-pdf.def');
        await world().ok('instance', 'start', example('url-to-pdf.sif'), 'pdf');
        await curl('-o', out('curl.pdf'), `localhost:${port}/api/render?url=${url}`);
        expect(await text(out('curl.pdf'))).toMatch(/Harbour crane\s+It launches boats\./);
        const processes = await world().ok('exec', 'instance://pdf', 'ps', 'axo', 'args');
        expect(processes).toMatch(/^npm start$/m);
        expect(processes).toMatch(/^node server\.js$/m);
        await world().ok('instance', 'stop', 'pdf');
        await world().expectNothingLeft();
      },
      15 * minutes,
    );

    test(
      'is built once more, with its client as an app',
      async () => {
        await build('--force', '--build-arg', `PORT=${port}`, 'url-to-pdf.sif', 'url-to-pdf-apps.def');
        await world().ok('instance', 'start', '--bind', `${out()}/:/output`, example('url-to-pdf.sif'), 'pdf');
        await world().ok('run', '--app', 'pdf_client', 'instance://pdf', url, 'sylabs.pdf');
        expect(await text(out('sylabs.pdf'))).toMatch(/Harbour crane\s+It launches boats\./);
        await world().ok('run', '--app', 'pdf_client', 'instance://pdf', url);
        expect(readdirSync(out()).sort()).toEqual(['curl.pdf', 'output.pdf', 'sylabs.pdf']);
        await world().ok('instance', 'stop', '--all');
        await world().expectNothingLeft();
      },
      15 * minutes,
    );

    test('leaves no file in the home directory but what npm logs', () => {
      expect(readdirSync(world().home).filter((name) => !['.npm', '.cache'].includes(name))).toEqual([]);
    });
  });
}

if (wanted) describeWith([...SECTIONS, 'debootstrap', 'npm', 'curl', 'pdftotext'], 'url-to-pdf', urlToPdf);
else describe('url-to-pdf', () => test.skip('the real service (only with DAVIT_TEST_URL_TO_PDF=1)', () => undefined));
