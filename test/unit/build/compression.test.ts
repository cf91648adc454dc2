import { expect, it } from 'vitest';
import { parseCompression } from '../../../src/runtime/build/packing/compression';

it.each([
  [undefined, 6, 3],
  ['zstd', 6, 3],
  ['zstd:22', 6, 22],
  ['gzip', 1, 6],
  ['gzip:9', 1, 9],
  ['xz', 4, 0],
  ['lz4', 5, 0],
])('%s is compressor %i at level %i', (text, compressor, level) => {
  expect(parseCompression(text)).toEqual({ compressor, level });
});

it.each([
  '',
  'lzo',
  'lzma',
  'bzip2',
  'constructor',
  'zstd:0',
  'zstd:23',
  'zstd:',
  'zstd:3:1',
  'gzip:10',
  'xz:6',
  'gzip:x',
])('%j is refused', (text) => {
  expect(() => parseCompression(text)).toThrow(expect.objectContaining({ code: 'OPTION', exitCode: 255 }));
});
