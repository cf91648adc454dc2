/** What davit pulls Apptainer runs, and what one pushes the other pulls. */
import { chmodSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { apptainer, describeWithApptainer } from './support/apptainer';
import { describeWith } from './support/capabilities';
import { makeImage, REGISTRY } from './support/pulled-image';
import { type RegistryServer, useRoom } from './support/registry';
import { withWorld } from './support/world';

describeWithApptainer('registries, with Apptainer', () => {
  describeWith(REGISTRY, 'in one registry', () => {
    let registry: RegistryServer;
    useRoom(async (room) => {
      const layout = makeImage(room);
      registry = await room.start();
      room.push(layout, registry, 't/tool:1');
    });

    withWorld('both', (world) => {
      test('an image that davit pulled runs under Apptainer', async () => {
        // Apptainer may be run by another user.
        chmodSync(world().cwd, 0o777);
        await world().ok('pull', '--no-https', `docker://${registry.host}/t/tool:1`);
        const theirs = await apptainer(world(), {}, 'run', world().path('work/tool_1.sif'), 'to', 'you');
        expect(theirs).toMatchObject({ status: 0, stdout: 'to you\n' });
        const labels = await apptainer(world(), {}, 'inspect', world().path('work/tool_1.sif'));
        expect(labels.stdout).toContain('org.example.purpose: tests\n');
      });

      test('what davit pushed Apptainer pulls, byte for byte, and the other way round', async () => {
        const [one, two] = [1, 2].map((tag) => `oras://${registry.host}/t/pushed:${tag}`) as [string, string];
        const image = world().path('work/tool_1.sif');
        await world().ok('push', image, one);
        expect(await apptainer(world(), {}, 'pull', world().path('work/theirs.sif'), one)).toMatchObject({ status: 0 });
        expect(readFileSync(world().path('work/theirs.sif')).equals(readFileSync(image))).toBe(true);
        expect(await apptainer(world(), {}, 'push', image, two)).toMatchObject({ status: 0 });
        await world().ok('pull', 'ours.sif', two);
        expect(readFileSync(world().path('work/ours.sif')).equals(readFileSync(image))).toBe(true);
      });
    });
  });
});
