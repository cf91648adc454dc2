/** One image of a registry, pulled and built upon by davit and by Apptainer, each result run under both. */
import { chmodSync } from 'node:fs';
import { expect, test } from 'vitest';
import { apptainer, describeWithApptainer } from './support/apptainer';
import { lacking } from './support/capabilities';
import { SECTIONS } from './support/definitions';
import { makeImage, REGISTRY } from './support/pulled-image';
import { type RegistryServer, useRoom } from './support/registry';
import { type Outcome, withWorld } from './support/world';

/** Arguments of davit and Apptainer alike; IMAGE stands for the image. */
const COMMANDS: string[][] = [
  ['run', 'IMAGE'],
  ['run', 'IMAGE', 'a', 'b  c', '$GREETING'],
  ['run', '--no-eval', 'IMAGE', 'a', '$GREETING'],
  ['exec', 'IMAGE', 'sh', '-c', 'echo "$GREETING $PATH"; cat /etc/motd'],
  ['exec', '--cleanenv', 'IMAGE', 'sh', '-c', 'echo "$GREETING"'],
  ['inspect', '--list-apps', 'IMAGE'],
];

describeWithApptainer('with Apptainer', () => {
  const absent = lacking([...REGISTRY, ...SECTIONS]);
  if (absent !== undefined) return void test.skip(`(needs ${absent})`, () => undefined);
  const room = useRoom();

  withWorld('an image of a registry', (world) => {
    let server: RegistryServer | undefined;
    const image = (maker: string, way: string): string => world().path(`${way}-${maker}.sif`);
    const either = {
      davit: (...args: string[]): Promise<Outcome> => world().davitWith({ cwd: world().directory }, ...args),
      apptainer: (...args: string[]): Promise<Outcome> => apptainer(world(), { cwd: world().directory }, ...args),
    };
    const makers = ['davit', 'apptainer'] as const;

    test('is pulled and built upon by both', async () => {
      // Apptainer may be another user.
      chmodSync(world().directory, 0o777);
      server = await room().start();
      room().push(makeImage(room()), server, 'it:1');
      const reference = `${server.host}/it:1`;
      const header = `Bootstrap: docker\nFrom: ${reference}\n\n%post\n    echo more >>/etc/motd\n`;
      const definition = world().write('built.def', header);
      for (const maker of makers) {
        const pull = ['pull', '--no-https', image(maker, 'pulled'), `docker://${reference}`];
        expect(await either[maker](...pull)).toMatchObject({ status: 0 });
        const build = ['build', '--no-https', image(maker, 'built'), definition];
        expect(await either[maker](...build)).toMatchObject({ status: 0 });
      }
    }, 120_000);

    test.each(COMMANDS.map((words) => ({ title: words.join(' '), words })))('$title', async ({ words }) => {
      for (const way of ['pulled', 'built']) {
        const results = [];
        for (const runner of makers)
          for (const maker of makers) {
            const args = words.map((word) => (word === 'IMAGE' ? image(maker, way) : word));
            const { status, stdout } = await either[runner](...args);
            results.push({ status, stdout });
          }
        const [expected] = results.slice(-1);
        expect(expected).toMatchObject({ status: 0 });
        expect(results).toEqual([expected, expected, expected, expected]);
      }
    });
  });
});
