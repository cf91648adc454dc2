/** The beginning of a file that is being downloaded, and the hash of it. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { parseDigest } from '../../../formats/oci/digest';

const READ_BYTES = 1 << 20;
/** Others of the user's group have no business in a file that nobody has checked yet. */
const MODE = 0o600;

export class PartialFile {
  /** A write did not succeed: the trouble is on this side. */
  failed = false;
  private size = 0;
  private hashes: { sha256: Hash; other?: Hash };

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly algorithm: 'sha256' | 'sha512',
  ) {
    this.hashes = this.newHashes();
  }

  /** Opens the file, which is made when missing, and hashes what is in it. */
  static async open(path: string, digest?: string): Promise<PartialFile> {
    const handle = await open(path, 'a+', MODE);
    const file = new PartialFile(path, handle, parseDigest(digest)?.algorithm ?? 'sha256');
    try {
      await file.readExisting();
    } catch (error) {
      await handle.close();
      throw error;
    }
    return file;
  }

  get sizeBytes(): number {
    return this.size;
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < chunk.length; ) done += (await this.handle.write(chunk, done)).bytesWritten;
    } catch (error) {
      this.failed = true;
      throw error;
    }
    this.update(chunk);
  }

  /** Back to nothing. */
  async reset(): Promise<void> {
    await this.handle.truncate(0);
    this.size = 0;
    this.hashes = this.newHashes();
  }

  /** `algorithm:hex` of what is in the file, by the algorithm of the digest it was opened for. */
  digest(): string {
    return `${this.algorithm}:${(this.hashes.other ?? this.hashes.sha256).copy().digest('hex')}`;
  }

  sha256(): string {
    return this.hashes.sha256.copy().digest('hex');
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private newHashes(): { sha256: Hash; other?: Hash } {
    const sha256 = createHash('sha256');
    return this.algorithm === 'sha256' ? { sha256 } : { sha256, other: createHash(this.algorithm) };
  }

  private update(chunk: Uint8Array): void {
    this.hashes.sha256.update(chunk);
    this.hashes.other?.update(chunk);
    this.size += chunk.length;
  }

  private async readExisting(): Promise<void> {
    const { size } = await this.handle.stat();
    const buffer = Buffer.alloc(Math.min(size, READ_BYTES));
    while (this.size < size) {
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, this.size);
      if (bytesRead === 0) return;
      this.update(buffer.subarray(0, bytesRead));
    }
  }
}
