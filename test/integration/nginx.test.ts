/** The user guide's web server, from a registry of our own to its page, as root and as a plain user. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { asRoot, asUser, describeWith, isRoot } from './support/capabilities';
import { hasNginxLayout, nginxLayout } from './support/nginx';
import { eventually } from './support/patience';
import { freePort } from './support/ports';
import { type RegistryServer, useRoom } from './support/registry';
import { davitPath, withWorld } from './support/world';

/** As it stands in the guide; which registry is meant, davit.conf says. */
const NGINX_DEF = `Bootstrap: docker
From: nginx
Includecmd: no

%startscript
   nginx
`;

/** A port to choose, on loopback alone. */
const WEB_DEF = `${NGINX_DEF.replace(/%startscript[\s\S]*/, '')}%startscript
   sed -i "s/listen 80 .*/listen 127.0.0.1:$1;/; /listen \\[::\\]/d" /etc/nginx/sites-available/default
   nginx
`;

async function page(port: number, path = '/'): Promise<string> {
  return await eventually(async () => (await fetch(`http://127.0.0.1:${port}${path}`)).text());
}

const REGISTRY = ['docker-registry', 'skopeo', 'openssl', 'busybox'] as const;
// Only root can make the image; a plain user who finds none has a machine without mmdebstrap, or no root's run before.
const IMAGE = isRoot || !hasNginxLayout() ? (['root', 'mmdebstrap'] as const) : [];

describeWith([...REGISTRY, ...IMAGE], 'nginx', () => {
  const room = useRoom();
  let server: RegistryServer | undefined;

  withWorld('a web server as an instance', (world) => {
    const image = (): string => world().path('web.sif');
    let port = 0;

    test('has its image in a registry', async () => {
      server = await room().start();
      room().copy(await nginxLayout(), `docker://${server.host}/library/nginx:latest`);
    }, 300_000);

    test('is built from an image of a registry, which the configuration names', async () => {
      const config = world().write('davit.conf', `registry mirror = docker.io=http://${server?.host}\n`);
      for (const [name, text] of Object.entries({ nginx: NGINX_DEF, web: WEB_DEF })) {
        const definition = world().write(`${name}.def`, text);
        await world().ok('--config', config, 'build', world().path(`${name}.sif`), definition);
      }
    });

    test('is built as well from one that the header names', async () => {
      const header = `Bootstrap: docker\nRegistry: ${server?.host}\nNamespace: library\nFrom: nginx\n`;
      const other = world().path('other.sif');
      await world().ok('build', '--no-https', other, world().write('other.def', header));
      expect(existsSync(other)).toBe(true);
      rmSync(other);
    });

    test('starts with --writable-tmpfs, a bind and a PID file', async () => {
      port = await freePort();
      world().write('site/hello.html', 'hello from the host\n');
      const options = ['--writable-tmpfs', '--bind', `${world().path('site')}:/var/www/html/site`];
      const start = ['instance', 'start', ...options, '--pid-file', world().path('web.pid'), image(), 'web'];
      const result = await world().davit(...start, String(port));
      expect(result).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('INFO:    instance started successfully\n'),
      });
    });

    test('answers with its page, and with the one of the host', async () => {
      expect(await page(port)).toContain('Welcome to nginx!');
      expect(await page(port, '/site/hello.html')).toBe('hello from the host\n');
    });

    test('is listed with the process of the PID file', async () => {
      const { pid, img, driver, writableTmpfs } = await world().listed('web');
      expect(readFileSync(world().path('web.pid'), 'utf8')).toBe(`${pid}\n`);
      expect(img).toBe(image());
      expect(driver).toBe(isRoot ? 'squashfs' : 'squashfuse_ll');
      expect(writableTmpfs).toBe(true);
    });

    test('keeps what it writes for as long as it lives', async () => {
      // It writes the line when it has answered.
      await expect
        .poll(() => world().ok('exec', 'instance://web', 'cat', '/var/log/nginx/access.log'))
        .toContain('GET /site/hello.html');
    });

    test('is seen from inside, beside a process 1 that reaps', async () => {
      const processes = await world().ok('exec', 'instance://web', 'sh', '-c', 'cat /proc/[0-9]*/comm 2>&1; :');
      expect(processes.split('\n')).toEqual(expect.arrayContaining(['davit-init', 'nginx']));
    });

    test('ends gracefully at stop, although it is a daemon by then', async () => {
      const { status, stderr } = await world().davit('instance', 'stop', '\\*'.slice(1));
      expect([status, stderr]).toEqual([0, expect.not.stringContaining('Killing')]);
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
      expect(await world().list()).toEqual([]);
    });

    test('leaves no complaint about its image in the log', async () => {
      expect(await world().ok('instance', 'logs', '--err', 'web')).not.toContain('davit:');
    });

    asRoot(() => {
      test('answers at port 80 when it is called as in the guide', async () => {
        // A network of its own: port 80 of the machine may be in use.
        const script = `busybox ip link set lo up
"$0" instance start --writable-tmpfs nginx.sif web
for i in $(seq 200); do busybox wget -q -O - localhost && break; sleep 0.1; done
"$0" instance stop web`;
        const options = { cwd: world().directory };
        const result = await world().command('unshare', ['--net', 'sh', '-c', script, davitPath], options);
        expect(result).toMatchObject({ status: 0, stdout: expect.stringContaining('Welcome to nginx!') });
      });
    });

    const firstFreePort = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
    asUser(() => {
      test.skipIf(firstFreePort <= 80)('says why there is no port 80 for a plain user', async () => {
        const start = ['instance', 'start', '--wait', '--writable-tmpfs', world().path('nginx.sif'), 'web'];
        const { status, stderr } = await world().davit(...start);
        expect(status).toBe(1);
        expect(stderr).toContain('bind() to 0.0.0.0:80 failed (13: Permission denied)\n');
        expect(stderr).toContain('see: davit instance logs --err web\n');
      });
    });
  });
});
