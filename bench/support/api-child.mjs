// api-child.mjs IMAGE DIRECTORY: the measured process of bench/api.mjs. Prints JSON: each { what: [ms...] }, once.
import { createRequire } from 'node:module';

const count = 100;
const { Runtime } = createRequire(import.meta.url)('../../dist/index.cjs');
const [image, directory] = process.argv.slice(2);
const runtime = new Runtime();
const each = { 'start, SIF in use': [], 'start, directory': [], 'exec instance:// true': [], list: [] };
const once = {};
const names = Array.from({ length: count }, (_, index) => `a${index}`);

async function timed(run) {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

try {
  await runtime.start(image, 'holder');
  for (const name of names) {
    each['start, SIF in use'].push(await timed(() => runtime.start(image, name)));
    each['start, directory'].push(await timed(() => runtime.start(directory, 'other')));
    await runtime.stop('other');
  }
  for (const name of names)
    each['exec instance:// true'].push(await timed(() => runtime.exec(`instance://${name}`, ['/bin/true'])));
  for (let i = 0; i < count; i++) each.list.push(await timed(() => runtime.list()));
  once[`stop of ${count} instances`] = await timed(() => runtime.stop('a*'));
  const startAll = () => Promise.all(names.map((name) => runtime.start(image, name)));
  once[`start of ${count} instances at once`] = await timed(startAll);
} finally {
  await runtime.stop('*');
}
process.stdout.write(JSON.stringify({ each, once }));
