// GET /api/render?url=URL answers with that page as a PDF. PORT says where to listen; ALLOW_HTTP=true allows pages that
// do not come by https.
'use strict';
const { mkdtemp, rm } = require('node:fs/promises');
const { createServer } = require('node:http');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const puppeteer = require('puppeteer-core');

const port = Number(process.env.PORT ?? 9000);
const schemes = process.env.ALLOW_HTTP === 'true' ? ['https:', 'http:'] : ['https:'];
const running = new Set();

/**
 * Chromium's sandbox is a user namespace of its own, which a plain user has in a container as well. Root has to do
 * without: Chromium refuses to start its sandbox as root. The set-id helper, its other way, works in no container that
 * forbids new privileges.
 */
const sandbox = process.getuid() === 0 || process.env.NO_SANDBOX ? ['--no-sandbox'] : [];

async function render(url) {
  // The home directory in a container is the user's own: Chromium gets another one, for the time of a page.
  const home = await mkdtemp(join(tmpdir(), 'pdf_server-'));
  let browser;
  try {
    browser = await launch(home);
    running.add(browser);
    const page = await browser.newPage();
    await page.goto(url, { waitUntil: 'networkidle0', timeout: 30_000 });
    return await page.pdf({ format: 'A4', printBackground: true });
  } finally {
    await browser?.close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
    running.delete(browser);
  }
}

function launch(home) {
  const { XDG_CONFIG_HOME, XDG_CACHE_HOME, ...env } = process.env;
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...sandbox, '--disable-gpu'],
    userDataDir: join(home, 'profile'),
    env: { ...env, HOME: home },
    // Signals are handled below: they have to end all browsers, and to remove what these have written.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}

/** The URL that a request asks for. @throws with what is wrong with it */
function wantedUrl(request) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (pathname !== '/api/render') throw new Error(`there is nothing at ${pathname}: ask for /api/render?url=URL`);
  const url = new URL(searchParams.get('url') ?? '');
  if (!schemes.includes(url.protocol)) throw new Error(`${url.protocol} is not allowed`);
  return url.href;
}

function answer(response, status, type, body) {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length }).end(body);
}

const server = createServer(async (request, response) => {
  let url = '';
  try {
    url = wantedUrl(request);
  } catch (error) {
    answer(response, 400, 'text/plain', Buffer.from(`${error.message}\n`));
    return;
  }
  try {
    answer(response, 200, 'application/pdf', Buffer.from(await render(url)));
  } catch (error) {
    console.error(error);
    answer(response, 502, 'text/plain', Buffer.from(`${error.message}\n`));
  }
});

// On loopback alone: whoever reaches this server can have it fetch any page that this machine reaches.
server.listen(port, process.env.HOST ?? '127.0.0.1', () => console.log(`listening on port ${port}`));

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(name, async () => {
    await Promise.allSettled([...running].map((browser) => browser.close()));
    process.exit(0);
  });
}
