/** The user guide, from its first command to its last: instances by name and pattern, a service with a client app, PID files. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { layOutBusybox, writeAll } from './support/busybox';
import { isAlive, withWorld, type World } from './support/world';

withWorld('container instances', (world) => {
  const names = async (...args: string[]): Promise<string[]> =>
    (await world().list(...args)).map((each) => each.instance);

  test('start, one after the other, from one image', async () => {
    for (const name of ['instance1', 'instance2', 'instance3'])
      await world().ok('instance', 'start', world().image(), name);
    expect(await names()).toEqual(['instance1', 'instance2', 'instance3']);
  });

  test('are listed by a pattern', async () => {
    expect(await names('*2')).toEqual(['instance2']);
  });

  test('take run, exec and shell', async () => {
    expect(await world().ok('run', 'instance://instance1')).toContain('runscript: 0: \n');
    expect(await world().ok('exec', 'instance://instance2', 'cat', '/etc/os-release')).toContain('busybox fixture');
    expect(await world().davitWith({ input: 'echo "$PS1"\n' }, 'shell', 'instance://instance3')).toMatchObject({
      status: 0,
      stdout: 'Apptainer> \n',
    });
  });

  test('stop by name, and all of them in three ways', async () => {
    await world().ok('instance', 'stop', 'instance1');
    expect(await names()).toEqual(['instance2', 'instance3']);
    for (const all of ['*', '--all', '-a']) {
      await world().ok('instance', 'stop', all);
      expect(await names()).toEqual([]);
      for (const name of ['instance2', 'instance3']) await world().ok('instance', 'start', world().image(), name);
    }
  });
});

const server = 'scif/apps/pdf_server/scif/pdf_server';
const client = 'scif/apps/pdf_client/scif';

/** The guide's image with its scripts as they stand there; the service is a web server with a CGI program. */
function layOutPdf(directory: string, port: number): void {
  layOutBusybox(directory);
  const scripts = {
    '.singularity.d/startscript': `#!/bin/sh

    cd /${server}
    # Use nohup and /dev/null to completely detach server process from terminal
    nohup ./npm start > /dev/null 2>&1 < /dev/null &
`,
    '.singularity.d/env/90-environment.sh': `#!/bin/sh

    NODE_ENV=development
    PORT=${port}
    ALLOW_HTTP=true
    URL=localhost
    export NODE_ENV PORT ALLOW_HTTP URL
`,
    'usr/bin/nohup': `#!/bin/sh\ntrap '' HUP\nexec "$@"\n`, // busybox has none
    [`${server}/npm`]: '#!/bin/sh\n[ "$1" = start ] && exec httpd -f -p "127.0.0.1:$PORT" -h .\n',
    [`${server}/cgi-bin/render`]:
      '#!/bin/sh\nprintf "Content-Type: application/pdf\\r\\n\\r\\n%%PDF-1.4 of $QUERY_STRING by $NODE_ENV\\n"\n',
    [`${client}/runscript`]: `#!/bin/sh

    if [ -z "\${1:-}" ]; then
        echo "Usage: davit run --app pdf <instance://name> <URL> [output file]"
        exit 1
    fi
    wget -q -O "\${APPTAINER_APPDATA}/output/\${2:-output.pdf}" "http://\${URL}:\${PORT}/cgi-bin/render?url=\${1}"
`,
    [`${client}/env/01-base.sh`]: `#!/bin/sh

SCIF_APPDATA="/scif/data/pdf_client"
SCIF_APPNAME="pdf_client"
export SCIF_APPDATA SCIF_APPNAME
`,
  };
  writeAll(directory, scripts, 0o755);
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
  const address = listener.address();
  await new Promise((done) => listener.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

withWorld('a service with a client app', (world) => {
  const out = (...parts: string[]): string => join(world().path('out'), ...parts);
  const image = (): string => world().path('url-to-pdf.sif');
  let port = 0;

  const render = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/cgi-bin/render?url=http://sylabs.io/docs`)).text();

  test('is built and started, with a directory of the host for its output', async () => {
    port = await freePort();
    layOutPdf(world().makeDirectory('rootfs'), port);
    mkdirSync(out());
    await world().ok('build', '--force', image(), world().path('rootfs'));
    await world().ok('instance', 'start', '--bind', `${out()}/:/output`, image(), 'pdf');
  });

  test('answers', async () => {
    await vi.waitFor(
      async () => expect(await render()).toBe('%PDF-1.4 of url=http://sylabs.io/docs by development\n'),
      {
        timeout: 10_000,
      },
    );
  });

  test('stays up although the startscript has ended', async () => {
    expect(await world().listed('pdf')).toMatchObject({ state: 'exited', exitStatus: 0 });
    const processes = await world().ok('exec', 'instance://pdf', 'ps', '-o', 'ppid,args');
    expect(processes).toMatch(/^ +1 (\S*\/)?httpd -f/m);
    expect(await render()).toContain('%PDF');
  });

  test('its client writes to /output: APPTAINER_APPDATA is empty', async () => {
    expect(
      await world().ok('run', '--app', 'pdf_client', 'instance://pdf', 'http://sylabs.io/docs', 'sylabs.pdf'),
    ).toBe('');
    expect(readFileSync(out('sylabs.pdf'), 'utf8')).toBe('%PDF-1.4 of url=http://sylabs.io/docs by development\n');
    await world().ok('run', '--app', 'pdf_client', 'instance://pdf', 'http://sylabs.io/docs');
    expect(existsSync(out('output.pdf'))).toBe(true);
  });

  test('its client explains itself', async () => {
    expect(await world().davit('run', '--app', 'pdf_client', 'instance://pdf')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^Usage: /),
    });
  });

  test('ends with stop --all', async () => {
    // What a shell starts with "&" ignores SIGINT.
    await world().ok('instance', 'stop', '--all', '--timeout', '1');
    await expect(render()).rejects.toThrow();
    await world().expectNothingLeft();
  });
});

withWorld('PID files', (world) => {
  const start = async (target: World, ...args: string[]): Promise<number> => {
    const file = target.path('instance.pid');
    await target.ok('instance', 'start', '--pid-file', file, target.image(), 'instanceA', ...args);
    return Number(readFileSync(file, 'utf8'));
  };

  test('hold the process that stands for the instance', async () => {
    const pid = await start(world());
    expect(await world().listed('instanceA')).toMatchObject({ pid });
    await world().ok('instance', 'stop', 'instanceA');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
  });

  test('lead a supervisor to it: SIGTERM ends the whole instance', async () => {
    const pid = await start(world(), 'polite');
    await vi.waitFor(async () => expect(await world().ok('instance', 'logs', 'instanceA')).toContain('polite'));
    await new Promise((done) => setTimeout(done, 50));
    process.kill(pid, 'SIGTERM');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5_000 });
    await world().expectNothingLeft();
    expect(await world().list()).toEqual([]);
    expect(await world().ok('instance', 'logs', 'instanceA')).toContain('startscript: got TERM\n');
  });

  test('lead a supervisor to it: SIGKILL as well', async () => {
    const pid = await start(world());
    process.kill(pid, 'SIGKILL');
    await world().expectNothingLeft();
    expect(await world().list()).toEqual([]);
  });
});
