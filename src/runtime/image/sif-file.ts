/**
 * SIF files opened to be looked into or changed. A change is whole or not at all: data is appended and on disk before
 * the table names it, and what was appended goes away again when something fails.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { errnoOf, RuntimeError } from '../../errors';
import { HEADER_BYTES } from '../../formats/sif/constants';
import type { SifDescriptor } from '../../formats/sif/descriptor';
import { type AddedObject, SifEdit } from '../../formats/sif/edit';
import { decodeHeader, type SifHeader } from '../../formats/sif/header';
import { decodeTable } from '../../formats/sif/table';
import { SifLayout } from '../../formats/sif/write';
import { native } from '../../native';
import { errnoText } from './errno-text';
import { partialBeside } from './partial-name';
import { readUpTo } from './read-at';
import { COPY_BYTES, copyAll, writeAll } from './write-at';

/** Before the umask: a SIF is a program. */
const SIF_MODE = 0o755;

/** The data of an object: bytes, or an open file from where it is read next to its end. */
export type ObjectData = Uint8Array | { fd: number };

/** A SIF opened for reading. Close it. */
export class SifFile {
  readonly header: SifHeader;
  protected readonly edit: SifEdit;

  protected constructor(
    protected readonly fd: number,
    /** As the user named it. */
    readonly path: string,
  ) {
    const sizeBytes = fstatSync(fd).size;
    const headerBytes = readUpTo(fd, 0, HEADER_BYTES);
    this.header = decodeHeader(headerBytes, sizeBytes);
    const table = readUpTo(fd, this.header.tableOffsetBytes, this.header.tableSizeBytes);
    this.edit = new SifEdit(headerBytes, table, this.header, decodeTable(table, this.header, sizeBytes));
  }

  /** @throws RuntimeError IMAGE_OPEN, IMAGE_FORMAT */
  static open(path: string): SifFile {
    return opening(path, constants.O_RDONLY, (fd) => new SifFile(fd, path));
  }

  /** The objects in the order of the table. */
  get objects(): readonly SifDescriptor[] {
    return this.edit.objects;
  }

  /** The object with an id. @throws RuntimeError OPTION when there is none */
  find(id: number): SifDescriptor {
    return this.edit.find(id);
  }

  /** All data of an object; for texts and signatures. @throws RuntimeError IMAGE_FORMAT beyond `maxBytes` */
  read({ id, offsetBytes, sizeBytes }: SifDescriptor, maxBytes: number): Buffer {
    if (sizeBytes > maxBytes) {
      throw new RuntimeError('IMAGE_FORMAT', `SIF object ${id} has ${sizeBytes} bytes, more than ${maxBytes}`);
    }
    return readUpTo(this.fd, offsetBytes, sizeBytes);
  }

  /** The data of an object piece by piece; a piece is valid until the next one is asked for. */
  *pieces({ offsetBytes, sizeBytes }: SifDescriptor): Generator<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, sizeBytes));
    for (let done = 0; done < sizeBytes; ) {
      const count = readSync(this.fd, buffer, 0, Math.min(buffer.length, sizeBytes - done), offsetBytes + done);
      if (count === 0) throw new RuntimeError('IMAGE_FORMAT', `read ${this.path}: unexpected EOF`);
      yield buffer.subarray(0, count);
      done += count;
    }
  }

  /** The 585 bytes of an object's table entry as they are, known or not. @throws RuntimeError OPTION */
  entry(id: number): Buffer {
    return this.edit.entry(id);
  }

  /** The 128 bytes at the head of the file, with the changes so far. */
  get headerBytes(): Buffer {
    return this.edit.headerBytes;
  }

  close(): void {
    closeSync(this.fd);
  }
}

/**
 * A SIF opened to be changed, locked against others who would change it. Changes count from commit() on; without it
 * close() takes back what was written.
 *
 *     const sif = WritableSif.open(path);
 *     try {
 *       sif.add({ type: DataType.signature, name: '', group: 0, link: 1, linkToGroup: true, metadata }, bytes);
 *       sif.commit();
 *     } finally {
 *       sif.close();
 *     }
 */
export class WritableSif extends SifFile {
  private readonly sizeBytes: number;
  private readonly before: { header: Buffer; table: Buffer };
  private state: 'unchanged' | 'appended' | 'committed' = 'unchanged';

  private constructor(fd: number, path: string) {
    super(fd, path);
    this.sizeBytes = fstatSync(fd).size;
    this.before = { header: Buffer.from(this.edit.headerBytes), table: Buffer.from(this.edit.table) };
  }

  /** @throws RuntimeError IMAGE_OPEN (also when somebody else is changing it), IMAGE_FORMAT */
  static override open(path: string): WritableSif {
    return opening(path, constants.O_RDWR, (fd) => {
      if (!lock(fd)) {
        throw new RuntimeError('IMAGE_OPEN', `open ${path}: somebody else is changing the image`, {
          path,
          errno: 'EWOULDBLOCK',
          hint: 'try again when that has ended',
        });
      }
      return new WritableSif(fd, path);
    });
  }

  /**
   * Appends an object: ids are given by the first free place in the table.
   * @returns its descriptor
   * @throws RuntimeError OPTION (no room in the table, a second primary partition, name too long, the file itself),
   *   IMAGE_BUILD
   */
  add(object: AddedObject, data: ObjectData): SifDescriptor {
    this.edit.check(object);
    if ('fd' in data && isSameFile(data.fd, this.fd)) {
      // Its end would run away from who reads it, until the disk is full.
      throw new RuntimeError('OPTION', `${this.path} cannot be added to itself`, { path: this.path });
    }
    const offset = this.edit.nextOffset(object);
    return this.guarded('write', () => {
      this.state = 'appended';
      // What lies between the last object and this one may be the rest of a removed one.
      writeAll(this.fd, Buffer.alloc(offset - this.edit.endBytes), this.edit.endBytes);
      const size = data instanceof Uint8Array ? writeAll(this.fd, data, offset) : copyAll(data.fd, this.fd, offset);
      return this.edit.add(object, size, nowS());
    });
  }

  /** Takes an object out of the table. Its bytes stay in the file until something else needs the place. */
  remove(id: number): SifDescriptor {
    return this.edit.remove(id, nowS());
  }

  /** @throws RuntimeError OPTION when the object is no system partition */
  setPrimary(id: number): void {
    this.edit.setPrimary(id, nowS());
  }

  /** Writes the table and then the header, after the data is on disk. @throws RuntimeError IMAGE_BUILD */
  commit(): void {
    this.guarded('write', () => {
      if (this.state === 'appended') fsyncSync(this.fd);
      this.writeTables(this.edit.headerBytes, this.edit.table);
      fsyncSync(this.fd);
      this.state = 'committed';
    });
  }

  override close(): void {
    try {
      if (this.state === 'appended') ftruncateSync(this.fd, this.sizeBytes);
    } finally {
      super.close();
    }
  }

  private writeTables(header: Uint8Array, table: Uint8Array): void {
    try {
      writeAll(this.fd, table, this.header.tableOffsetBytes);
      writeAll(this.fd, header, 0);
    } catch (error) {
      this.restore();
      throw error;
    }
  }

  /** These bytes were there before: even a full disk has room for them. */
  private restore(): void {
    try {
      writeAll(this.fd, this.before.table, this.header.tableOffsetBytes);
      writeAll(this.fd, this.before.header, 0);
    } catch {
      // the disk is broken; the error that led here says so
    }
  }

  private guarded<T>(verb: string, deed: () => T): T {
    try {
      return deed();
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause;
      const errno = errnoOf(cause);
      const hint =
        errno === 'ENOSPC' || errno === 'EDQUOT' ? 'there is no more room: the image is as it was' : undefined;
      throw new RuntimeError('IMAGE_BUILD', `${verb} ${this.path}: ${errnoText(cause)}`, {
        path: this.path,
        errno,
        cause,
        hint,
      });
    }
  }
}

/**
 * Makes a SIF without objects, by rename: what has the name until then stays whole when this fails. It has no launch
 * script, as in the reference, since there is nothing to launch.
 * @throws RuntimeError IMAGE_OPEN
 */
export function createEmptySif(path: string): void {
  const layout = new SifLayout(randomUuid(), nowS(), '');
  const { header, table, tableOffsetBytes } = layout.encode();
  const partial = partialBeside(path, process.pid);
  try {
    const fd = openSync(partial, 'wx', SIF_MODE);
    try {
      writeAll(fd, Buffer.alloc(layout.dataOffsetBytes), 0);
      writeAll(fd, table, tableOffsetBytes);
      writeAll(fd, header, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(partial, path);
  } catch (cause) {
    rmSync(partial, { force: true });
    throw new RuntimeError('IMAGE_OPEN', `open ${path}: ${errnoText(cause)}`, { path, errno: errnoOf(cause), cause });
  }
}

function isSameFile(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one, { bigint: true }), fstatSync(other, { bigint: true })];
  return a.dev === b.dev && a.ino === b.ino;
}

function randomUuid(): Buffer {
  return Buffer.from(globalThis.crypto.randomUUID().replaceAll('-', ''), 'hex');
}

function opening<T>(path: string, flags: number, make: (fd: number) => T): T {
  let fd: number;
  try {
    fd = openSync(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    throw new RuntimeError('IMAGE_OPEN', `open ${path}: ${errnoText(cause)}`, { path, errno: errnoOf(cause), cause });
  }
  try {
    return make(fd);
  } catch (cause) {
    closeSync(fd);
    if (cause instanceof RuntimeError) throw cause;
    const message = `reading global header: read ${path}: ${errnoText(cause)}`;
    throw new RuntimeError('IMAGE_OPEN', message, { path, errno: errnoOf(cause), cause });
  }
}

/** False while somebody else holds it. File systems without locks have none to hold. */
function lock(fd: number): boolean {
  try {
    return native().tryLock(fd);
  } catch (error) {
    if (['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')) return true;
    throw error;
  }
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}
