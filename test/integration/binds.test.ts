/** What of the host is bound where: `--bind` and `--mount`, on the command line and in the environment. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withWorld } from './support/world';

withWorld('--bind', (world) => {
  const page = 'cat /data/index.html';
  const site = (): string => world().path('site');

  test('takes SRC:DEST, SRC alone, several, and options', async () => {
    world().write('site/index.html', 'the page of the host\n');
    expect(await world().inside(['--bind', `${site()}:/data`], page)).toBe('the page of the host');
    expect(await world().inside(['-B', `${site()}:/data`], page)).toBe('the page of the host');
    expect(await world().inside(['--bind', `${site()}:/data:rw`], 'echo x > /data/new && cat /data/new')).toBe('x');
    expect(await world().inside(['--bind', `${site()}:/data,/etc:/host-etc`], 'ls -d /data/new /host-etc/passwd')).toBe(
      '/data/new\n/host-etc/passwd',
    );
    expect(
      await world().inside(['--bind', `${site()}:/data`, '--bind', '/etc:/host-etc'], 'ls -d /data/new /host-etc'),
    ).toBe('/data/new\n/host-etc');
    expect(await world().inside(['--contain', '--bind', site()], `cat ${site()}/index.html`)).toBe(
      'the page of the host',
    );
  });

  test('is read-only with :ro', async () => {
    const result = await world().davit('exec', '--bind', `${site()}:/data:ro`, world().image(), 'touch', '/data/x');
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining('Read-only file system') });
  });

  test('covers what the image has, and makes what it has not', async () => {
    expect(await world().inside(['--bind', `${site()}:/srv/site`], 'cat /srv/site/index.html')).toBe(
      'the page of the host',
    );
    expect(await world().inside(['--bind', `${site()}:/a/new/place`], 'cat /a/new/place/index.html')).toBe(
      'the page of the host',
    );
    expect(await world().inside(['--bind', `${site()}/index.html:/etc/keep`], 'cat /etc/keep')).toBe(
      'the page of the host',
    );
    expect(await world().inside(['--bind', `${site()}/index.html:/etc/fresh`], 'cat /etc/fresh; cat /etc/keep')).toBe(
      'the page of the host\nas in the image',
    );
  });

  test('takes relative sources, and names with colons and commas', async () => {
    expect(await world().okWith({ cwd: site() }, 'exec', '--bind', '.:/data', world().image(), 'sh', '-c', page)).toBe(
      'the page of the host\n',
    );
    world().write('odd:na,me/file', 'odd\n');
    const odd = world().path('odd\\:na\\,me');
    expect(await world().inside(['--bind', `${odd}:/data`], 'cat /data/file')).toBe('odd');
  });

  test('follows links of the image without leaving it', async () => {
    const sandbox = world().path('linked');
    await world().ok('build', '--sandbox', sandbox, world().image());
    symlinkSync('/srv/site', `${sandbox}/opt/link`);
    symlinkSync('../../../../../../srv/site', `${sandbox}/opt/far`);
    for (const link of ['link', 'far']) {
      expect(await world().inside(['--bind', `${site()}:/opt/${link}`], 'cat /srv/site/index.html', sandbox)).toBe(
        'the page of the host',
      );
    }
  });

  test('nests: parents come before children, in whatever order they are given', async () => {
    mkdirSync(`${site()}/inner`, { recursive: true });
    const other = world().path('other');
    world().write('other/deep', 'deep\n');
    for (const order of [`${site()}:/data,${other}:/data/inner`, `${other}:/data/inner,${site()}:/data`]) {
      expect(await world().inside(['--bind', order], 'cat /data/index.html /data/inner/deep')).toBe(
        'the page of the host\ndeep',
      );
    }
  });

  test('lists the destinations in APPTAINER_BIND', async () => {
    expect(
      await world().inside(['--bind', `${site()}:/data,/etc:/host-etc`], 'echo $APPTAINER_BIND $SINGULARITY_BIND'),
    ).toBe('/data,/host-etc /data,/host-etc');
  });

  test('warns of a destination that is given twice; the first wins', async () => {
    const result = await world().davit(
      'exec',
      '--bind',
      `${site()}:/data`,
      '--bind',
      '/etc:/data',
      world().image(),
      'ls',
      '/data/index.html',
    );
    expect(result).toMatchObject({ status: 0, stderr: expect.stringMatching(/^WARNING: .*\/data/) });
  });

  test.each([
    ['/nosuch:/data', /while mounting \/nosuch: mount source \/nosuch doesn't exist/],
    ['/etc:relative', /destination must be an absolute path/],
    ['/etc:/data:xx', /xx is not a valid bind option/],
    ['/etc:/data:ro:more', /\/etc:\/data:ro/],
  ])('refuses %s', async (spec, message) => {
    const result = await world().davit('exec', '--bind', spec, world().image(), 'true');
    expect(result).toMatchObject({ status: 255, stdout: '', stderr: expect.stringMatching(/^FATAL: /) });
    expect(result.stderr).toMatch(message);
  });

  test('adds what the environment gives', async () => {
    const env = { APPTAINER_BIND: `${site()}:/data`, DAVIT_BINDPATH: '/usr:/host-usr' };
    expect(
      await world().okWith(
        { env },
        'exec',
        '--bind',
        '/etc:/host-etc',
        world().image(),
        'ls',
        '-d',
        '/data/index.html',
        '/host-etc/passwd',
        '/host-usr/bin',
      ),
    ).toBe('/data/index.html\n/host-etc/passwd\n/host-usr/bin\n');
  });

  test('reaches instances', async () => {
    await world().ok('instance', 'start', '--bind', `${site()}:/data:ro`, world().image(), 'bound');
    expect(await world().ok('exec', 'instance://bound', 'cat', '/data/index.html')).toBe('the page of the host\n');
  });
});

withWorld('--mount', (world) => {
  test.each([
    'type=bind,source=/etc,destination=/data',
    'type=bind,src=/etc,dst=/data',
    'type=bind,src=/etc,target=/data,ro',
    'type=bind,"src=/etc",destination=/data,readonly',
  ])('takes %s', async (spec) => {
    expect(await world().inside(['--mount', spec], 'ls -d /data/passwd')).toBe('/data/passwd');
  });

  test('is read-only with ro', async () => {
    const options = ['--mount', `type=bind,src=${world().cwd},dst=/data,ro`];
    expect(await world().davit('exec', ...options, world().image(), 'touch', '/data/x')).toMatchObject({ status: 1 });
  });

  test('takes quoted names with commas', async () => {
    world().write('a,b/file', 'comma\n');
    const spec = `type=bind,"src=${world().path('a,b')}",dst=/data`;
    expect(await world().inside(['--mount', spec], 'cat /data/file')).toBe('comma');
  });

  test('takes several lines from the environment', async () => {
    const env = { APPTAINER_MOUNT: 'type=bind,src=/etc,dst=/a\ntype=bind,src=/usr,dst=/b' };
    expect(await world().okWith({ env }, 'exec', world().image(), 'ls', '-d', '/a/passwd', '/b/bin')).toBe(
      '/a/passwd\n/b/bin\n',
    );
  });

  test.each([
    ['type=tmpfs,dst=/a', /unsupported mount type "tmpfs"/],
    ['type=bind,source=/etc', /must specify a source and a destination/],
    ['type=bind,destination=/a', /must specify a source and a destination/],
    ['type=bind,source=/etc,destination=/a,foo=1', /invalid key "foo"/],
    ['type=bind,source=/etc,destination=/a,bind-propagation=private', /bind-propagation not supported/],
  ])('refuses %s', async (spec, message) => {
    expect(await world().davit('exec', '--mount', spec, world().image(), 'true')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(message),
    });
  });
});
