import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../../src/errors';
import { decodeSuperblock, findSquashfs } from '../../../src/formats/squashfs/superblock';
import { superblock } from '../../fixtures/sif-bytes';

describe('a superblock', () => {
  it.each([
    [1, 'gzip'],
    [2, 'lzma'],
    [3, 'lzo'],
    [4, 'xz'],
    [5, 'lz4'],
    [6, 'zstd'],
  ])('with compressor %i is %s', (id, name) => {
    expect(decodeSuperblock(superblock({ compressor: id }), 4096)).toEqual({
      inodes: 1,
      modifiedS: 1700000000,
      blockSizeBytes: 131072,
      compressor: name,
      bytesUsed: 600,
    });
  });

  const cases: [string, (bytes: Buffer) => void, RegExp, string][] = [
    ['magic', (b) => void b.write('hsqx'), /invalid squashfs magic/, 'IMAGE_FORMAT'],
    ['byte order', (b) => void b.write('sqsh'), /big-endian/, 'IMAGE_UNSUPPORTED'],
    ['version', (b) => void b.writeUInt16LE(3, 28), /version 3\.0, not 4\.0/, 'IMAGE_UNSUPPORTED'],
    ['no compressor', (b) => void b.writeUInt16LE(0, 20), /unknown compressor 0/, 'IMAGE_UNSUPPORTED'],
    ['compressor', (b) => void b.writeUInt16LE(7, 20), /unknown compressor 7/, 'IMAGE_UNSUPPORTED'],
    ['block size 0', (b) => void b.writeUInt32LE(0, 12), /block size of 0/, 'IMAGE_FORMAT'],
    ['odd block size', (b) => void b.writeUInt32LE(131073, 12), /block size of 131073/, 'IMAGE_FORMAT'],
    ['block size against its logarithm', (b) => void b.writeUInt16LE(16, 22), /block size/, 'IMAGE_FORMAT'],
    [
      'huge block size',
      (b) => b.writeUInt32LE(2 ** 21, 12) && void b.writeUInt16LE(21, 22),
      /block size/,
      'IMAGE_FORMAT',
    ],
    [
      'more bytes than there are',
      (b) => void b.writeBigUInt64LE(4097n, 40),
      /4097 bytes in a space of 4096/,
      'IMAGE_FORMAT',
    ],
    ['2^64-1 bytes', (b) => void b.writeBigInt64LE(-1n, 40), /squashfs of -1 bytes/, 'IMAGE_FORMAT'],
    ['no bytes', (b) => void b.writeBigUInt64LE(0n, 40), /squashfs of 0 bytes/, 'IMAGE_FORMAT'],
    ['no id table', (b) => void b.writeBigInt64LE(-1n, 48), /id table at -1/, 'IMAGE_FORMAT'],
    ['xattr table outside', (b) => void b.writeBigInt64LE(600n, 56), /xattr table at 600/, 'IMAGE_FORMAT'],
    ['inode table on the superblock', (b) => void b.writeBigInt64LE(50n, 64), /inode table at 50/, 'IMAGE_FORMAT'],
    ['tables in the wrong order', (b) => void b.writeBigInt64LE(99n, 72), /root directory/, 'IMAGE_FORMAT'],
    ['root outside', (b) => void b.writeBigUInt64LE(100n << 16n, 32), /root directory/, 'IMAGE_FORMAT'],
    ['root beyond its block', (b) => void b.writeUInt16LE(8192, 32), /root directory/, 'IMAGE_FORMAT'],
    ['no inodes', (b) => void b.writeUInt32LE(0, 4), /without inodes/, 'IMAGE_FORMAT'],
  ];
  it.each(cases)('is refused for its %s', (_name, change, message, code) => {
    const bytes = superblock();
    change(bytes);
    expect(() => decodeSuperblock(bytes, 4096)).toThrow(message);
    expect(() => decodeSuperblock(bytes, 4096)).toThrow(expect.objectContaining({ code, exitCode: 255 }));
  });

  it('is refused when cut short', () => {
    expect(() => decodeSuperblock(superblock().subarray(0, 95), 4096)).toThrow(RuntimeError);
  });
});

describe('squashfs in a file', () => {
  it('is found at its start and behind a launch line', () => {
    const launch = Buffer.from('#!/usr/bin/env run-singularity\n');
    expect(findSquashfs(superblock())).toBe(0);
    expect(findSquashfs(Buffer.concat([launch, superblock()]))).toBe(31);
  });
  it('is not found behind other lines or without its magic', () => {
    expect(findSquashfs(Buffer.concat([Buffer.from('#!/bin/sh\n'), superblock()]))).toBeUndefined();
    expect(findSquashfs(Buffer.from('#!/usr/bin/env run-singularity\nhello'))).toBeUndefined();
    expect(findSquashfs(Buffer.from('#!no line end'))).toBeUndefined();
    expect(findSquashfs(Buffer.alloc(0))).toBeUndefined();
  });
});
