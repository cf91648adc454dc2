/**
 * The user guide's "Putting all together" in small: the two definition files of examples/url-to-pdf, word by word where
 * a busybox can, with a web server and a CGI program in place of Node and Chromium.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { describeWith } from './support/capabilities';
import { built, leftovers, SECTIONS } from './support/definitions';
import { eventually } from './support/patience';
import { freePort } from './support/ports';
import { withWorld } from './support/world';

/** What `npm start` is here; busybox has neither npm nor nohup. */
const PROGRAMS = `
    printf '#!/bin/sh\\ntrap "" HUP\\nexec "$@"\\n' >/bin/nohup
    printf '#!/bin/sh\\n[ "$1" = start ] && exec httpd -f -p "127.0.0.1:$LISTEN_PORT" -h .\\n' >/bin/npm
    chmod 0755 /bin/nohup /bin/npm
`;

const ENVIRONMENT = `
%environment
    NODE_ENV=development
    LISTEN_PORT={{ PORT }}
    ALLOW_HTTP=true
    URL=localhost
    export NODE_ENV LISTEN_PORT ALLOW_HTTP URL

%arguments
    PORT=9000
`;

const PLAIN = `
%files
    pdf_server /pdf_server

%post
${PROGRAMS}
    cd pdf_server
    chmod -R 0755 .

%startscript
    cd /pdf_server
    # Use nohup and /dev/null to completely detach server process from terminal
    nohup npm start > /dev/null 2>&1 < /dev/null &
${ENVIRONMENT}`;

const APPS = `
%post
${PROGRAMS}

%appfiles pdf_server
    pdf_server

%appinstall pdf_server
    cd pdf_server
    chmod -R 0755 .

%startscript
    cd /scif/apps/pdf_server/pdf_server
    # Use nohup and /dev/null to completely detach server process from terminal
    nohup npm start > /dev/null 2>&1 < /dev/null &

%apprun pdf_client
    if [ -z "\${1:-}" ]; then
        echo "Usage: davit run --app pdf_client <instance://name> <URL> [output file]"
        exit 1
    fi
    wget -q -O "\${APPTAINER_APPDATA}/output/\${2:-output.pdf}" "http://\${URL}:\${LISTEN_PORT}/cgi-bin/render?url=\${1}"
${ENVIRONMENT}`;

const RENDER = `#!/bin/sh
printf 'Content-Type: application/pdf\\r\\n\\r\\n%%PDF-1.4 of %s by %s\\n' "$QUERY_STRING" "$NODE_ENV"
`;
const PDF = '%PDF-1.4 of url=http://sylabs.io/docs by development\n';

describeWith(SECTIONS, 'putting all together', () => {
  withWorld('a service', (world) => {
    const out = (...parts: string[]): string => join(world().path('out'), ...parts);
    let port = 0;

    const render = async (): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port}/cgi-bin/render?url=http://sylabs.io/docs`)).text();
    const answers = async (): Promise<void> => await eventually(async () => expect(await render()).toBe(PDF));

    beforeAll(async () => {
      port = await freePort();
      // %files and %appfiles begin where the build was called.
      world().write('work/pdf_server/cgi-bin/render', RENDER, 0o644);
      mkdirSync(out());
    });

    test('is built from its definition file, started, and answers', async () => {
      const image = await built(world(), 'url-to-pdf', PLAIN, '--build-arg', `PORT=${port}`);
      expect(leftovers(world())).toEqual([]);
      await world().ok('instance', 'start', image, 'pdf');
      await answers();
    });

    test('stays up although the startscript has ended', async () => {
      await eventually(async () =>
        expect(await world().listed('pdf')).toMatchObject({ state: 'exited', exitStatus: 0 }),
      );
      const processes = await world().ok('exec', 'instance://pdf', 'ps', '-o', 'ppid,args');
      expect(processes).toMatch(/^ +1 (\S*\/)?httpd -f/m);
      expect(await render()).toBe(PDF);
      // What a shell starts with "&" ignores SIGINT.
      await world().ok('instance', 'stop', '--timeout', '1', 'pdf');
      await expect(render()).rejects.toThrow();
    });

    test('takes a port from the caller, before that of its image', async () => {
      const other = await freePort();
      const env = ['--env', `LISTEN_PORT=${other}`];
      await world().ok('instance', 'start', ...env, world().path('url-to-pdf.sif'), 'pdf');
      const page = `http://127.0.0.1:${other}/cgi-bin/render?url=x`;
      await eventually(async () => expect(await (await fetch(page)).text()).toContain('url=x'));
      await expect(render()).rejects.toThrow();
      await world().ok('instance', 'stop', '--timeout', '1', 'pdf');
    });

    test('is built again over the old image, with its client as an app', async () => {
      const image = await built(world(), 'url-to-pdf', APPS, '--force', '--build-arg', `PORT=${port}`);
      expect(leftovers(world())).toEqual([]);
      await world().ok('instance', 'start', '--bind', `${out()}/:/output`, image, 'pdf');
      await answers();
    });

    test('writes what its client asks for to a directory of the host', async () => {
      const client = ['run', '--app', 'pdf_client', 'instance://pdf', 'http://sylabs.io/docs'];
      expect(await world().ok(...client, 'sylabs.pdf')).toBe('');
      expect(readFileSync(out('sylabs.pdf'), 'utf8')).toBe(PDF);
      await world().ok(...client);
      expect(readdirSync(out()).sort()).toEqual(['output.pdf', 'sylabs.pdf']);
    });

    test('has a client that explains itself', async () => {
      expect(await world().davit('run', '--app', 'pdf_client', 'instance://pdf')).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(/^Usage: /),
      });
    });

    test('ends with stop --all', async () => {
      await world().ok('instance', 'stop', '--all', '--timeout', '1');
      await expect(render()).rejects.toThrow();
      await world().expectNothingLeft();
    });
  });
});
