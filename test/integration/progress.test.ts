/** Progress of pull and build: bars on a terminal, lines elsewhere, JSON for programs; and what Ctrl-C leaves. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Emulator } from '../fixtures/emulator';
import { describeWith } from './support/capabilities';
import { eventually } from './support/patience';
import { TerminalSession } from './support/terminal';
import { withWorld, type World } from './support/world';

/** A web server whose answer comes as far as the test allows. */
class SlowServer {
  url = '';
  private readonly content: Buffer;
  private readonly answers: { response: ServerResponse; sent: number }[] = [];
  private allowed = 0;

  constructor(image: string) {
    this.content = readFileSync(image);
  }

  get sizeBytes(): number {
    return this.content.length;
  }

  async start(): Promise<this> {
    const server = createServer(({ method }, response) => {
      response.writeHead(200, { 'content-length': this.content.length });
      if (method === 'HEAD') response.end();
      else this.answers.push({ response, sent: 0 });
      this.send();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tool.sif`;
    return this;
  }

  /** Lets so much of the file pass, between 0 and 1. */
  allow(part: number): void {
    this.allowed = Math.floor(this.content.length * part);
    this.send();
  }

  private send(): void {
    for (const answer of this.answers) {
      answer.response.write(this.content.subarray(answer.sent, this.allowed));
      answer.sent = this.allowed;
      if (answer.sent === this.content.length) answer.response.end();
    }
  }
}

/** The rows of a terminal of that size after what a session has shown. */
async function screenOf(session: TerminalSession, columns: number, rows = 24): Promise<string[]> {
  const emulator = new Emulator(columns, rows);
  emulator.write(session.shown);
  return emulator.lines();
}

async function pulling(world: World, options: { columns: number; args?: string[] }) {
  const server = await new SlowServer(world.image()).start();
  const env = { DAVIT_CACHEDIR: world.makeDirectory(`cache-${randomBytes(4).toString('hex')}`) };
  const target = world.path('work', `${randomBytes(4).toString('hex')}.sif`);
  const { columns, args = [] } = options;
  const session = new TerminalSession(world, [...args, 'pull', target, server.url], { columns, env });
  return { server, session, target };
}

describeWith(['terminal'], 'progress', () => {
  withWorld('on a terminal', (world) => {
    test('a bar grows, and stays when it is full', async () => {
      const { server, session, target } = await pulling(world(), { columns: 100 });
      server.allow(0.25);
      await session.expect(/tool\.sif +\[=+> +\]/);
      server.allow(1);
      expect(await session.end()).toBe(0);
      const rows = await screenOf(session, 100);
      expect(rows).toHaveLength(2);
      expect(rows[0]).toMatch(/^INFO: {4}Downloading network image$/);
      expect(rows[1]).toMatch(/^tool\.sif +\[={30}\] +[\d.]+ (MiB|KiB) \/ [\d.]+ (MiB|KiB)/);
      expect(readFileSync(target).length).toBe(server.sizeBytes);
    });

    test('a narrow terminal has one row for it', async () => {
      const { server, session } = await pulling(world(), { columns: 38 });
      server.allow(0.5);
      await session.expect(/tool\.sif.* 50 %|tool\.sif.*KiB/);
      server.allow(1);
      expect(await session.end()).toBe(0);
      const rows = await screenOf(session, 38);
      expect(rows.filter((row) => row.startsWith('tool.sif'))).toHaveLength(1);
      for (const row of rows) expect(row.length).toBeLessThanOrEqual(38);
    });

    test('hears of a new size', async () => {
      const { server, session } = await pulling(world(), { columns: 100 });
      server.allow(0.25);
      await session.expect(/\[=+> +\]/);
      const from = session.shown.length;
      session.resize(24, 40);
      server.allow(0.5);
      // What was drawn before it was heard is still on its way: bars are erased, not drawn over, when it is.
      const erased = /\r\x1b\[\d+A\x1b\[J/;
      await session.expect(erased, from);
      await session.expect(/tool\.sif +\[=+> +\] +50 %\x1b\[K/, from);
      server.allow(1);
      expect(await session.end()).toBe(0);
      const emulator = new Emulator(100, 24);
      const heard = from + session.shown.slice(from).search(erased);
      emulator.write(session.shown.slice(0, heard));
      await emulator.resize(40, 24);
      emulator.write(session.shown.slice(heard));
      expect((await emulator.lines()).filter((row) => row.includes('tool.sif'))).toHaveLength(1);
    });

    test('Ctrl-C: the screen is clean, the cursor is seen, and no file is left', async () => {
      const { server, session, target } = await pulling(world(), { columns: 80 });
      const before = readdirSync(world().cwd);
      server.allow(0.5);
      await session.expect(/tool\.sif/);
      session.type('\x03');
      expect(await session.end()).toBe(130);
      expect(await screenOf(session, 80)).toEqual(['INFO:    Downloading network image']);
      expect(session.shown).not.toContain('\x1b[?25l');
      expect(existsSync(target)).toBe(false);
      expect(readdirSync(world().cwd)).toEqual(before);
    });

    test('--quiet shows nothing', async () => {
      const { server, session } = await pulling(world(), { columns: 80, args: ['--quiet'] });
      server.allow(1);
      expect(await session.end()).toBe(0);
      expect(session.shown).toBe('');
    });

    test('a terminal that cannot move its cursor gets lines', async () => {
      const server = await new SlowServer(world().image()).start();
      server.allow(1);
      const args = ['pull', '--force', world().path('work', 'dumb.sif'), server.url];
      const session = new TerminalSession(world(), args, { env: { TERM: 'dumb' } });
      expect(await session.end()).toBe(0);
      expect(session.shown.replace(/\x1b\[\d*m/g, '')).toMatch(/^INFO: +Done: tool\.sif, [\d.]+ \w+ in [\d.]+ s\r$/m);
    });

    test('packing a directory', async () => {
      const directory = world().makeDirectory('big');
      for (let at = 0; at < 8; at++) writeFileSync(world().path('big', `${at}`), randomBytes(4 << 20));
      const session = new TerminalSession(world(), ['build', world().path('big.sif'), directory], { columns: 100 });
      expect(await session.end()).toBe(0);
      const rows = await screenOf(session, 100);
      expect(rows.slice(0, 3)).toEqual([
        'INFO:    Starting build...',
        'INFO:    Extracting local image...',
        'INFO:    Creating SIF file...',
      ]);
      // There is no rate when it takes but a moment.
      expect(rows[3]).toMatch(/^packing +\[={30}\] +32\.0 MiB \/ 32\.0 MiB( +[\d.]+ MiB\/s)?$/);
      expect(rows[4]).toBe(`INFO:    Build complete: ${world().path('big.sif')}`);
    });
  });
});

withWorld('progress without a terminal', (world) => {
  const server = async (): Promise<SlowServer> => {
    const slow = await new SlowServer(world().image()).start();
    slow.allow(1);
    return slow;
  };

  test('one line for each piece of work; none with --quiet', async () => {
    const { url } = await server();
    const loud = await world().davit('pull', '--disable-cache', 'a.sif', url);
    expect(loud).toMatchObject({ code: 0, stdout: '' });
    expect(loud.stderr).toMatch(
      /^INFO: {4}Downloading network image\nINFO: {4}Done: tool\.sif, [\d.]+ \w+ in [\d.]+ s\n$/,
    );
    const quiet = await world().davit('--quiet', 'pull', '--disable-cache', 'b.sif', url);
    expect(quiet).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('--json-progress: one object a line on standard output', async () => {
    const slow = await server();
    const { code, stdout } = await world().davit('pull', '--json-progress', '--disable-cache', 'c.sif', slow.url);
    expect(code).toBe(0);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const work = { event: 'progress', id: slow.url, label: 'tool.sif' };
    expect(events[0]).toMatchObject({ ...work, state: 'start', doneBytes: 0 });
    expect(events.at(-1)).toEqual({ ...work, state: 'end', doneBytes: slow.sizeBytes, totalBytes: slow.sizeBytes });
  });

  test('--json-progress of a build from a definition file', async () => {
    const definition = world().write('p.def', `Bootstrap: localimage\nFrom: ${world().image()}\n%post\n  true\n`);
    const { code, stdout } = await world().davit('build', '--json-progress', world().path('p.sif'), definition);
    expect(code).toBe(0);
    const states = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(states[0]).toMatchObject({ event: 'progress', label: 'packing', state: 'start' });
    expect(states.at(-1)).toMatchObject({ label: 'packing', state: 'end', totalBytes: states.at(-1).doneBytes });
    expect(states.at(-1).doneBytes).toBeGreaterThan(100_000);
  });

  test('a download that is interrupted leaves nothing where the image was to be', async () => {
    const slow = await new SlowServer(world().image()).start();
    slow.allow(0.5);
    const child = world().spawn(['pull', '--disable-cache', world().path('work', 'cut.sif'), slow.url]);
    await eventually(() => expect(readdirSync(world().cwd).some((name) => name.endsWith('.partial'))).toBe(true));
    child.kill('SIGTERM');
    expect(await new Promise((done) => child.once('close', (_code, signal) => done(signal)))).toBe('SIGTERM');
    expect(readdirSync(world().cwd).filter((name) => name.includes('cut'))).toEqual([]);
  });
});
