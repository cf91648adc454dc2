// bulk-child.mjs IMAGE RANGE: the measured process of bench/bulk.mjs. Prints how many milliseconds startMany() takes.
import { createRequire } from 'node:module';

const { Runtime } = createRequire(import.meta.url)('../../dist/index.cjs');
const [image, range] = process.argv.slice(2);
const begin = performance.now();
const { failed } = await new Runtime().startMany(image, range);
const ms = performance.now() - begin;
if (failed.length > 0) throw failed[0].error;
process.stdout.write(JSON.stringify(ms));
