import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ArchiveOptions, dockerArchive, ociArchive } from './support/archives';
import { layOutBusybox } from './support/busybox';
import { describeWith, isRoot, testWith } from './support/capabilities';
import { buildEnv, buildText, leftovers, SECTIONS } from './support/definitions';
import { makeLayout, type RegistryServer, useRoom } from './support/registry';
import { owners } from './support/squashfs';
import { withWorld, type World } from './support/world';

const NGINX_LIKE: ArchiveOptions = {
  config: {
    Env: ['FROM_OCI=oci value', 'PATH=/opt/oci:/usr/bin:/bin'],
    Entrypoint: ['/bin/echo', 'entry'],
    Cmd: ['cmd'],
    Labels: { maintainer: 'somebody' },
  },
  created: '2024-05-06T07:08:09Z',
  more: (directory) => {
    mkdirSync(join(directory, 'opt'));
    writeFileSync(join(directory, 'opt/second'), 'second layer\n');
    writeFileSync(join(directory, 'opt/shut'), 'closed\n', { mode: 0o400 });
    // A whiteout: the first layer's file is not in the image.
    mkdirSync(join(directory, 'etc'));
    writeFileSync(join(directory, 'etc/.wh.keep'), '');
  },
};

/** Images are kept where leftovers() does not look, and are this world's alone. */
function uriEnv(world: World): Record<string, string> {
  return { ...buildEnv(world), DAVIT_CACHEDIR: world.makeDirectory('cache') };
}

async function labelsOf(world: World, image: string): Promise<Record<string, string>> {
  return JSON.parse(await world.ok('exec', image, 'cat', '/.singularity.d/labels.json'));
}

function infos(stderr: string): string[] {
  const lines = stderr.split('\n').filter((line) => line.startsWith('INFO:'));
  return lines.map((line) => line.slice(9)).filter((line) => !line.startsWith('Done: '));
}

describeWith([...SECTIONS, 'mksquashfs'], 'builds from images of other kinds', () => {
  withWorld('given as a URI', (world) => {
    test.each([
      ['oci-archive', ociArchive],
      ['docker-archive', dockerArchive],
    ] as const)('%s: becomes a SIF and a sandbox', async (scheme, make) => {
      const archive = make(world(), scheme, NGINX_LIKE);
      const env = uriEnv(world());
      const image = world().path(`${scheme}.sif`);
      const result = await world().davitWith({ env }, 'build', image, `${scheme}:${archive}`);
      expect(result).toMatchObject({ status: 0, stdout: '' });
      expect(infos(result.stderr)).toEqual([
        'Starting build...',
        'Fetching OCI image...',
        'Creating SIF file...',
        `Build complete: ${image}`,
      ]);
      expect(await world().ok('run', image)).toBe('entry cmd\n');
      expect(await world().ok('run', image, 'a', 'b')).toBe('entry a b\n');
      const script = 'echo "$FROM_OCI $PATH"; cat /opt/second; ls /etc/keep 2>/dev/null || echo gone';
      expect(await world().inside([], script, image)).toMatch(
        /^oci value \/opt\/oci:\/usr\/bin:\/bin\S*\nsecond layer\ngone$/,
      );
      expect(await labelsOf(world(), image)).toMatchObject({
        maintainer: 'somebody',
        'org.label-schema.usage.singularity.deffile.bootstrap': scheme,
        'org.label-schema.usage.singularity.deffile.from': archive,
      });
      const sandbox = world().path(`${scheme}-sandbox`);
      await world().okWith({ env }, 'build', '--sandbox', sandbox, `${scheme}:${archive}`);
      expect(readFileSync(join(sandbox, 'opt/second'), 'utf8')).toBe('second layer\n');
      expect(readFileSync(join(sandbox, '.singularity.d/Singularity'), 'utf8')).toBe(
        `bootstrap: ${scheme}\nfrom: ${archive}\n\n`,
      );
      expect(leftovers(world())).toEqual([]);
    });

    test('the same image under another name says so', async () => {
      const archive = ociArchive(world(), 'names', NGINX_LIKE);
      const env = uriEnv(world());
      for (const name of [archive, `${world().path()}/./names.tar`]) {
        const image = world().path('named.sif');
        await world().okWith({ env }, 'build', '--force', image, `oci-archive:${name}`);
        expect(await labelsOf(world(), image)).toMatchObject({
          'org.label-schema.usage.singularity.deffile.from': name,
        });
      }
    });

    test('--fix-perms makes everything readable and writable for its owner', async () => {
      const archive = ociArchive(world(), 'perms', NGINX_LIKE);
      const image = world().path('perms.sif');
      await world().okWith({ env: uriEnv(world()) }, 'build', '--fix-perms', image, `oci-archive:${archive}`);
      expect(owners(image, ['opt/shut'])).toEqual(['opt/shut 0:0 -rw-------']);
      expect(leftovers(world())).toEqual([]);
    });

    testWith(isRoot ? [] : ['subuid'], 'owners in the layers: root keeps them, a plain user owns all', async () => {
      const archive = ociArchive(world(), 'owners', { ...NGINX_LIKE, tar: ['--owner=7', '--group=8'] });
      const image = world().path('owners.sif');
      const kept = isRoot ? '7:8' : '0:0';
      await world().okWith({ env: uriEnv(world()) }, 'build', image, `oci-archive:${archive}`);
      expect(owners(image, ['opt/second', 'opt/shut'])).toEqual([
        `opt/second ${kept} -rw-r--r--`,
        `opt/shut ${kept} -r--------`,
      ]);
      const text = `Bootstrap: oci-archive\nFrom: ${archive}\n%post\n chown 5:6 /opt/second\n`;
      const changed = await buildText(world(), 'chowned', text);
      expect(changed).toMatchObject({ status: 0 });
      expect(owners(changed.image, ['opt/second', 'opt/shut'])).toEqual([
        'opt/second 5:6 -rw-r--r--',
        `opt/shut ${kept} -r--------`,
      ]);
    });

    test.each([
      ['oci-archive:/nonexistent.tar', 'open /nonexistent.tar: no such file or directory'],
      ['shub://a/b', 'shub:// images are gone'],
      ['instance://x', 'names a running instance, not an image'],
    ])('%s: what is wrong is said', async (uri, message) => {
      const image = world().path('wrong.sif');
      const result = await world().davitWith({ env: uriEnv(world()) }, 'build', image, uri);
      expect(result).toMatchObject({ status: 255, stderr: expect.stringContaining(message) });
      expect(existsSync(image)).toBe(false);
      expect(leftovers(world())).toEqual([]);
    });
  });

  withWorld('named in a definition file', (world) => {
    test('with something to run: the layers are unpacked', async () => {
      const archive = ociArchive(world(), 'run', NGINX_LIKE);
      const text = `Bootstrap: oci-archive
From: ${archive}
%post
    cat /opt/second; echo "$FROM_OCI"; test ! -e /etc/keep
%startscript
    exec sleep 1000000
`;
      const { image, ...result } = await buildText(world(), 'run', text);
      expect(result).toMatchObject({ status: 0, stdout: 'second layer\noci value\n' });
      expect(infos(result.stderr)).toEqual([
        'Starting build...',
        'Fetching OCI image...',
        'Extracting OCI image...',
        'Running post scriptlet',
        'Adding startscript',
        'Creating SIF file...',
        `Build complete: ${image}`,
      ]);
      expect(await world().ok('run', image)).toBe('entry cmd\n');
      expect(await labelsOf(world(), image)).toMatchObject({ maintainer: 'somebody' });
      expect(leftovers(world())).toEqual([]);
    });

    test('with nothing to run: they go straight into the image, and no root is made', async () => {
      ociArchive(world(), 'described', NGINX_LIKE);
      const text = `Bootstrap: oci
From: ${world().path('described-layout')}
%environment
    export ADDED="$FROM_OCI"
%labels
    maintainer else
    Mine x
%runscript
    echo "mine $* $ADDED"
%help
    Help.
%apprun tool
    echo "tool $SCIF_APPNAME"
`;
      const definition = world().write('described.def', text);
      const image = world().path('described.sif');
      const words = ['build', '--tmpdir', '/nonexistent', image, definition];
      const result = await world().davitWith({ env: uriEnv(world()) }, ...words);
      expect(result).toMatchObject({ status: 0, stdout: '' });
      expect(result.stderr).toContain('Label: maintainer already exists and force option is false, not overwriting');
      expect(infos(result.stderr)).toEqual([
        'Starting build...',
        'Fetching OCI image...',
        'Adding help info',
        'Adding labels',
        'Adding environment to container',
        'Adding runscript',
        'Creating SIF file...',
        `Build complete: ${image}`,
      ]);
      expect(await world().ok('run', image, 'a')).toBe('mine a oci value\n');
      expect(await world().ok('run', '--app', 'tool', image)).toBe('tool tool\n');
      expect(await labelsOf(world(), image)).toMatchObject({
        maintainer: 'somebody',
        Mine: 'x',
        'org.label-schema.usage.apptainer.runscript.help': '/.singularity.d/runscript.help',
        'org.label-schema.usage.singularity.deffile.bootstrap': 'oci',
      });
      expect(await world().inside([], 'cat /.singularity.d/Singularity', image)).toBe(text.trimEnd());
      const forced = await world().davitWith({ env: uriEnv(world()) }, 'build', '--force', image, definition);
      expect(forced).toMatchObject({ status: 0 });
      expect(await labelsOf(world(), image)).toMatchObject({ maintainer: 'else' });
    });

    test('as one of several stages', async () => {
      const archive = ociArchive(world(), 'stages', NGINX_LIKE);
      const header = `Bootstrap: oci-archive\nFrom: ${archive}\n`;
      const text = `${header}Stage: first\n%post\n echo made >/made\n\n${header}%files from first\n /made /opt/made\n`;
      const { image, ...result } = await buildText(world(), 'stages', text);
      expect(result).toMatchObject({ status: 0 });
      expect(await world().inside([], 'cat /opt/made; ls /made 2>/dev/null || echo no', image)).toBe('made\nno');
    });

    test('into a sandbox', async () => {
      const archive = ociArchive(world(), 'boxed', NGINX_LIKE);
      const definition = world().write('boxed.def', `Bootstrap: oci-archive\nFrom: ${archive}\n%post\n touch /here\n`);
      const sandbox = world().path('boxed');
      await world().okWith({ env: uriEnv(world()) }, 'build', '--sandbox', sandbox, definition);
      expect(lstatSync(join(sandbox, 'here')).isFile()).toBe(true);
      expect(leftovers(world())).toEqual([]);
    });
  });

  withWorld('reproducibly', (world) => {
    test('the same bytes from the same archive, with dates of its own', async () => {
      const archive = ociArchive(world(), 'same', NGINX_LIKE);
      const described = `Bootstrap: oci-archive\nFrom: ${archive}\n%runscript\n true\n`;
      const specifications = [
        `oci-archive:${archive}`,
        world().write('plain.def', described),
        world().write('run.def', `${described}%post\n mkdir -p /a/b; echo x >/a/b/c\n`),
      ];
      const image = world().path('one.sif');
      const buildAll = async (cache: string): Promise<Buffer[]> => {
        const images: Buffer[] = [];
        const env = { ...uriEnv(world()), DAVIT_CACHEDIR: world().makeDirectory(cache) };
        for (const specification of specifications) {
          await world().okWith({ env }, 'build', '--force', '--reproducible', image, specification);
          images.push(readFileSync(image));
        }
        return images;
      };
      const first = await buildAll('first');
      await new Promise((resolve) => setTimeout(resolve, 1100));
      const second = await buildAll('second');
      expect(first.map((bytes, at) => bytes.equals(second[at] as Buffer))).toEqual([true, true, true]);
      expect(await labelsOf(world(), image)).toMatchObject({
        'org.label-schema.build-date': 'Monday_6_May_2024_7:8:9_UTC',
      });
      expect(await world().inside([], 'stat -c %Y /a/b/c', image)).toBe(String(Date.UTC(2024, 4, 6, 7, 8, 9) / 1000));
    });

    test('pull does so, too', async () => {
      const archive = ociArchive(world(), 'pulled', NGINX_LIKE);
      const images: Buffer[] = [];
      for (const name of ['p1', 'p2']) {
        const image = world().path(`${name}.sif`);
        const words = ['pull', '--disable-cache', '--reproducible', image, `oci-archive:${archive}`];
        await world().okWith({ env: uriEnv(world()) }, ...words);
        images.push(readFileSync(image));
        await new Promise((resolve) => setTimeout(resolve, images.length === 1 ? 1100 : 0));
      }
      expect(images[0]?.equals(images[1] as Buffer)).toBe(true);
    });
  });
});

describeWith([...SECTIONS, 'docker-registry', 'skopeo', 'umoci', 'busybox'], 'builds from a registry', () => {
  let server: RegistryServer;
  useRoom(async (made) => {
    mkdirSync(made.path('busybox'));
    layOutBusybox(made.path('busybox'));
    const image = makeLayout(made, 'layout', { layers: ['busybox'], config: ['--config.env=FROM_OCI=here'] });
    server = await made.start();
    made.push(image, server, 'some/where/busybox:1');
  });

  withWorld('named by header keys', (world) => {
    test.each([
      ['with a section that runs', '%post\n echo "$FROM_OCI" >/made\n', 'here'],
      ['with nothing to run', '%environment\n export A=1\n', 'no'],
    ])('%s', async (_, sections, made) => {
      const text = `Bootstrap: docker
Registry: ${server.host}
Namespace: some/where
From: busybox:1
Includecmd: no

${sections}
%startscript
    exec sleep 1000000
`;
      const { image, ...result } = await buildText(world(), 'registry', text, '--force', '--no-https');
      expect(result).toMatchObject({ status: 0 });
      expect(await world().inside([], 'cat /made 2>/dev/null || echo no', image)).toBe(made);
      expect(await labelsOf(world(), image)).toMatchObject({
        'org.label-schema.usage.singularity.deffile.registry': server.host,
        'org.opencontainers.image.base.name': `${server.host}/some/where/busybox:1`,
      });
      await world().ok('instance', 'start', image, 'one');
      await world().ok('instance', 'stop', 'one');
    });
  });
});
