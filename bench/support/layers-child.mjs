// layers-child.mjs ADDON LAYER DIGEST OUT: the measured process of bench/layers.mjs. Prints JSON.
import { closeSync, openSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const [addonPath, path, digest, out] = process.argv.slice(2);
const holder = { exports: {} };
process.dlopen(holder, addonPath);
const fd = openSync(out, 'w+');
const { sizeBytes, inodes } = holder.exports.convertLayers(fd, 0, {
  layers: [{ path, digest, diffId: '' }],
  generated: [],
  allRoot: false,
  devices: true,
  maxEntries: 0,
  maxBytes: 0,
  compressor: 6,
  level: 3,
  blockSize: 131072,
  workers: availableParallelism(),
  mtime: 0,
  counters: new BigInt64Array(3),
});
closeSync(fd);
process.stdout.write(JSON.stringify({ sizeBytes, inodes, maxRssKib: process.resourceUsage().maxRSS }));
