/** The user guide's web server: an image with Debian's nginx, as root and as a plain user. */
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { describeWith, isRoot } from './support/capabilities';
import { hasNginxImage, nginxImage } from './support/nginx';
import { freePort } from './support/ports';
import { withWorld } from './support/world';

async function page(port: number, path = '/'): Promise<string> {
  return await vi.waitFor(async () => (await fetch(`http://127.0.0.1:${port}${path}`)).text(), { timeout: 10_000 });
}

// Only root can make the image; a plain user who finds none has a machine without mmdebstrap, or no root's run before.
describeWith(isRoot || !hasNginxImage() ? ['root', 'mmdebstrap'] : [], 'nginx', () => {
  withWorld('a web server as an instance', (world) => {
    let port = 0;

    test('starts with --writable-tmpfs, a bind and a PID file', async () => {
      port = await freePort();
      world().write('site/hello.html', 'hello from the host\n');
      const options = ['--writable-tmpfs', '--bind', `${world().path('site')}:/var/www/html/site`];
      const start = ['instance', 'start', ...options, '--pid-file', world().path('web.pid'), nginxImage(), 'web'];
      const result = await world().davit(...start, String(port));
      expect(result).toMatchObject({ status: 0, stderr: 'INFO:    instance started successfully\n' });
    }, 300_000);

    test('answers with its page, and with the one of the host', async () => {
      expect(await page(port)).toContain('Welcome to nginx!');
      expect(await page(port, '/site/hello.html')).toBe('hello from the host\n');
    });

    test('is listed with the process of the PID file', async () => {
      const { pid, img, driver, writableTmpfs } = await world().listed('web');
      expect(readFileSync(world().path('web.pid'), 'utf8')).toBe(`${pid}\n`);
      expect(img).toBe(nginxImage());
      expect(driver).toBe(isRoot ? 'squashfs' : 'squashfuse_ll');
      expect(writableTmpfs).toBe(true);
    });

    test('keeps what it writes for as long as it lives', async () => {
      const log = await world().ok('exec', 'instance://web', 'cat', '/var/log/nginx/access.log');
      expect(log).toContain('GET /site/hello.html');
    });

    test('is seen from inside, beside a process 1 that reaps', async () => {
      const processes = await world().ok('exec', 'instance://web', 'sh', '-c', 'cat /proc/[0-9]*/comm');
      expect(processes.split('\n')).toEqual(expect.arrayContaining(['davit-init', 'nginx']));
    });

    test('ends gracefully at stop, although it is a daemon by then', async () => {
      const before = Date.now();
      await world().ok('instance', 'stop', '\\*'.slice(1));
      expect(Date.now() - before).toBeLessThan(8_000);
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
      expect(await world().list()).toEqual([]);
    });
  });
});
