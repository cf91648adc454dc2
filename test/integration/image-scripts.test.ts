import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { busyboxRootfs } from './support/busybox';
import { withWorld } from './support/world';

withWorld('an image without /bin/sh', (world) => {
  test('has no shell to offer', async () => {
    expect(await world().davit('exec', world().image('static'), '/bin/sh')).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/^FATAL: {3}.*\/bin\/sh/),
    });
    const shell = await world().davitWith({ input: 'exit 0\n' }, 'shell', world().image('static'));
    expect(shell.status).not.toBe(0);
    expect(shell.stderr).toMatch(/shell|\/bin\/sh/);
  });

  test('says so when its scripts need a shell', async () => {
    const directory = busyboxRootfs(world(), 'shell-less', (path) => {
      for (const name of ['sh', 'ash', 'bash']) rmSync(join(path, 'bin', name), { force: true });
      writeFileSync(join(path, '.singularity.d/env/90-environment.sh'), 'export WHO="$(id -u)"\n');
    });
    const result = await world().davit('exec', directory, '/bin/busybox', 'env');
    expect(result.status).toBe(255);
    expect(result.stderr).toMatch(/^FATAL: {3}.*\/bin\/sh/);
  });
});

withWorld('environment scripts', (world) => {
  const withScript = (name: string, script: string): string =>
    busyboxRootfs(world(), name, (directory) => {
      writeFileSync(join(directory, '.singularity.d/env/90-environment.sh'), `#!/bin/sh\n${script}\n`);
    });
  const show = (name: string, image: string, ...options: string[]) =>
    world().inside(options, `printf %s "$${name}"`, image);

  test('may be literal', async () => {
    expect(await show('NODE_ENV', withScript('literal', 'NODE_ENV=development\nPORT=9000\nexport NODE_ENV PORT'))).toBe(
      'development',
    );
  });

  test('may compute: commands, pipes, functions, conditions', async () => {
    const script = [
      'count() { echo "$#"; }',
      'N=$(count a b c)',
      'export UPPER=$(echo text | tr a-z A-Z)',
      'if [ -d /srv/site ]; then export SITE="has site, $N"; fi',
      'for i in 1 2 3; do SUM=$((${SUM:-0} + i)); done; export SUM',
    ].join('\n');
    const image = withScript('computed', script);
    expect(await world().inside([], 'echo "$UPPER|$SITE|$SUM"', image)).toBe('TEXT|has site, 3|6');
  });

  test('do not see the variables of the caller, nor injected ones', async () => {
    const image = withScript('seeing', 'export SEEN="<${MINE:-none}>"; NOT_EXPORTED=x');
    const env = { MINE: 'x', APPTAINERENV_MINE: 'y' };
    expect(await world().okWith({ env }, 'exec', image, 'sh', '-c', 'echo "$SEEN $MINE <$NOT_EXPORTED>"')).toBe(
      '<none> y <>\n',
    );
  });

  test('that end with an error end the action with it', async () => {
    expect((await world().davit('exec', withScript('failing', 'exit 7'), 'true')).status).toBe(7);
    expect((await world().davit('exec', withScript('failing2', 'echo $(exit 3); exit 8'), 'true')).status).toBe(8);
  });

  test('that print, print', async () => {
    expect(await world().ok('exec', withScript('printing', 'echo hello from the script'), 'echo', 'payload')).toBe(
      'hello from the script\npayload\n',
    );
  });

  test('with an error of syntax are an error', async () => {
    const result = await world().davit('exec', withScript('broken', 'if then fi ((('), 'true');
    expect(result.status).not.toBe(0);
    expect(result.stderr).not.toBe('');
  });
});
