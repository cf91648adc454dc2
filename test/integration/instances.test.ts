import { expect, test } from 'vitest';
import { withWorld } from './support/world';

withWorld('instance', (world) => {
  test('starts, is listed and stops', async () => {
    const image = world().image();
    await world().ok('instance', 'start', image, 'web');
    expect(await world().list()).toMatchObject([{ instance: 'web', img: image, state: 'running' }]);
    await world().ok('instance', 'stop', 'web');
    expect(await world().list()).toEqual([]);
  });
});
