/** Archives of images, opened: their members by name. Compressed ones are decompressed first. */
import { closeSync, createReadStream, createWriteStream, fstatSync, openSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { RuntimeError } from '../../../errors';
import {
  BLOCK_BYTES,
  decodePax,
  decodeTarHeader,
  normalName,
  type TarFile,
  type TarMember,
} from '../../../formats/oci/tar-index';
import { readUpTo } from '../read-at';
import type { FetchContext } from '../source/source';
import { unreadable } from './layout';

/** An archive of images has a few members for each layer. */
const MAX_MEMBERS = 100_000;
const MAX_EXTENDED_BYTES = 1 << 20;
const MAX_LINKS = 16;

export class Archive {
  private constructor(
    /** For messages. */
    readonly name: string,
    private readonly path: string,
    private readonly members: Map<string, TarMember>,
    private readonly context: FetchContext,
  ) {}

  /** @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT, IMAGE_UNSUPPORTED */
  static async open(name: string, context: FetchContext): Promise<Archive> {
    const path = await decompressed(name, context);
    return new Archive(name, path, readMembers(path, name), context);
  }

  /** @throws RuntimeError IMAGE_FORMAT when there is no such file, or it is larger than `limitBytes` */
  read(member: string, limitBytes: number): Buffer {
    const { offsetBytes, sizeBytes } = this.file(member);
    if (sizeBytes > limitBytes) throw new RuntimeError('IMAGE_FORMAT', `"${member}" in "${this.name}" is too large`);
    const fd = openSync(this.path, 'r');
    try {
      return readAt(fd, offsetBytes, sizeBytes, this.name);
    } finally {
      closeSync(fd);
    }
  }

  /** The first bytes of a file; zeros where it is shorter. */
  peek(member: string, length: number): Buffer {
    const { offsetBytes, sizeBytes } = this.file(member);
    const fd = openSync(this.path, 'r');
    try {
      const head = readAt(fd, offsetBytes, Math.min(length, sizeBytes), this.name);
      return Buffer.concat([head, Buffer.alloc(length - head.length)]);
    } finally {
      closeSync(fd);
    }
  }

  sizeOf(member: string): number {
    return this.file(member).sizeBytes;
  }

  /** A temporary file with the content of a member. */
  async extract(member: string): Promise<string> {
    const { offsetBytes, sizeBytes } = this.file(member);
    const target = this.context.temporary.newPath();
    const mode = { flags: 'wx', mode: 0o600 };
    if (sizeBytes === 0) closeSync(openSync(target, mode.flags, mode.mode));
    else {
      const range = { start: offsetBytes, end: offsetBytes + sizeBytes - 1 };
      const [from, to] = [createReadStream(this.path, range), createWriteStream(target, mode)];
      await pipeline(from, to, { signal: this.context.signal });
    }
    return target;
  }

  /** An archive of the other kind, which lacks the file by which this one would be known. */
  private otherKind(missing: string): string | undefined {
    const [kind] = Object.entries(MARKS).find(([, mark]) => mark !== missing && this.members.has(mark)) ?? [];
    const isMark = Object.values(MARKS).some((mark) => mark === missing);
    return kind !== undefined && isMark ? `that is an image for ${kind}:${this.name}` : undefined;
  }

  /** Where a file is; links lead to others in the same archive. */
  private file(member: string): TarFile {
    let name = normalName(member);
    for (let links = 0; links < MAX_LINKS; links++) {
      const found = this.members.get(name);
      if (found?.kind === 'file') return found.file;
      if (found === undefined) break;
      name = found.target;
    }
    const hint = this.otherKind(member);
    throw new RuntimeError('IMAGE_FORMAT', `there is no file "${member}" in "${this.name}"`, { path: this.name, hint });
  }
}

/** The file by which archives of a kind are known. */
const MARKS = { 'oci-archive': 'index.json', 'docker-archive': 'manifest.json' } as const;

function readMembers(path: string, name: string): Map<string, TarMember> {
  const members = new Map<string, TarMember>();
  const fd = openArchive(path);
  try {
    const total = fstatSync(fd).size;
    let extended: { name?: string; linkName?: string; sizeBytes?: number } = {};
    for (let at = 0; at + BLOCK_BYTES <= total; ) {
      const header = decodeTarHeader(readAt(fd, at, BLOCK_BYTES, name));
      if (header === undefined) break;
      const start = at + BLOCK_BYTES;
      const sizeBytes = isExtension(header.type) ? header.sizeBytes : (extended.sizeBytes ?? header.sizeBytes);
      if (start + sizeBytes > total) throw new RuntimeError('IMAGE_FORMAT', `"${name}" is cut off: copy it again`);
      if (isExtension(header.type)) {
        const content = readAt(fd, start, Math.min(sizeBytes, MAX_EXTENDED_BYTES), name);
        extended = { ...extended, ...extension(header.type, content) };
      } else {
        const member = {
          ...header,
          name: extended.name ?? header.name,
          linkName: extended.linkName ?? header.linkName,
        };
        addMember(members, member, { offsetBytes: start, sizeBytes });
        extended = {};
      }
      at = start + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
    }
    return members;
  } catch (error) {
    const { code, message } = error as RuntimeError;
    if (!(error instanceof RuntimeError) || message.includes(name)) throw error;
    throw new RuntimeError(code, `read "${name}": ${message}`, { path: name, cause: error });
  } finally {
    closeSync(fd);
  }
}

function isExtension(type: string): boolean {
  return type === 'x' || type === 'g' || type === 'L' || type === 'K';
}

function extension(type: string, content: Buffer): { name?: string; linkName?: string; sizeBytes?: number } {
  if (type === 'g') return {};
  const line = content.toString('utf8').replace(/\0+$/, '');
  if (type === 'L') return { name: line };
  if (type === 'K') return { linkName: line };
  const records = decodePax(content);
  const [name, linkName, size] = [records.get('path'), records.get('linkpath'), records.get('size')];
  return {
    ...(name === undefined ? undefined : { name }),
    ...(linkName === undefined ? undefined : { linkName }),
    ...(size === undefined || !/^\d{1,15}$/.test(size) ? undefined : { sizeBytes: Number(size) }),
  };
}

function addMember(
  members: Map<string, TarMember>,
  { name, type, linkName }: { name: string; type: string; linkName: string },
  file: TarFile,
): void {
  if (members.size >= MAX_MEMBERS) throw new RuntimeError('IMAGE_FORMAT', `more than ${MAX_MEMBERS} members`);
  const normal = normalName(name);
  if (type === '0' || type === '7') members.set(normal, { kind: 'file', file });
  // `docker save` has links for layers that are the same; they are relative to their own directory.
  else if (type === '2') members.set(normal, { kind: 'link', target: normalName(`${normal}/../${linkName}`) });
  else if (type === '1') members.set(normal, { kind: 'link', target: normalName(linkName) });
}

function readAt(fd: number, offset: number, length: number, name: string): Buffer {
  const bytes = readUpTo(fd, offset, length);
  if (bytes.length === length) return bytes;
  throw new RuntimeError('IMAGE_FORMAT', `"${name}" is cut off: copy it again`, { path: name });
}

function openArchive(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
}

const MAGIC_BYTES = 5;
const MAGICS: [name: string, bytes: number[]][] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** The archive itself, or a temporary file with what is in it when it is compressed by gzip. */
async function decompressed(path: string, { temporary, signal }: FetchContext): Promise<string> {
  const kind = compressionOf(path);
  if (kind === undefined) return path;
  if (kind !== 'gzip') {
    throw new RuntimeError('IMAGE_UNSUPPORTED', `"${path}" is compressed by ${kind}`, {
      path,
      hint: `decompress it first: "${kind === 'zstd' ? 'unzstd' : `${kind} -d`}" does that`,
    });
  }
  const { createGunzip } = await import('node:zlib');
  const target = temporary.newPath();
  try {
    const to = createWriteStream(target, { flags: 'wx', mode: 0o600 });
    await pipeline(createReadStream(path), createGunzip(), to, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new RuntimeError('IMAGE_FORMAT', `decompress "${path}": ${(cause as Error).message}`, { path, cause });
  }
  return target;
}

function compressionOf(path: string): string | undefined {
  const fd = openArchive(path);
  try {
    const head = readUpTo(fd, 0, MAGIC_BYTES);
    return MAGICS.find(([, magic]) => magic.every((byte, at) => head[at] === byte))?.[0];
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    closeSync(fd);
  }
}
