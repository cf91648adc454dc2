/**
 * A large content is fetched in parts, several of them at a time: servers and long lines often give a single connection
 * less than the machine could take. Parts that are ahead of what has been written wait in memory, so that a file always
 * is the beginning of its content and can be gone on with.
 */
import type { HttpResponse } from './message';
import { type ByteRange, contentRange } from './range';

/** Asks for a part of the content. */
export type OpenRange = (range: ByteRange) => Promise<HttpResponse>;

/** Less than so many parts are not worth the requests. */
const FEWEST_PARTS = 2;
/** A connection that brings so many bytes a second is not helped by others beside it: measured on loopback. */
const FAST_BYTES_PER_S = 64 * 2 ** 20;

/** How many connections all downloads of a process have together, and how large their parts are. */
export class PartPolicy {
  private used = 0;

  constructor(
    readonly partBytes: number,
    readonly connections: number,
    private readonly fastBytesPerS = FAST_BYTES_PER_S,
  ) {}

  /** Whether one connection brings as much as several would. */
  isFast(bytes: number, ms: number): boolean {
    return (bytes * 1000) / ms >= this.fastBytesPerS;
  }

  /** Whether a content is worth it. */
  fits(sizeBytes: number | undefined): sizeBytes is number {
    return this.partBytes > 0 && this.connections > 1 && (sizeBytes ?? 0) > this.partBytes * FEWEST_PARTS;
  }

  /** For a download's own connection, which it has in any case. */
  enter(): void {
    this.used += 1;
  }

  /** For one more. */
  tryEnter(): boolean {
    if (this.used >= this.connections) return false;
    this.used += 1;
    return true;
  }

  leave(): void {
    this.used -= 1;
  }
}

/** The parts of one content that are being fetched ahead. What goes wrong with them is left to whoever needs the bytes. */
export class PartsAhead {
  /** By first byte. */
  private readonly parts = new Map<number, Promise<Buffer | undefined>>();
  private ended = false;
  private measured = false;
  private received = 0;

  constructor(
    private readonly policy: PartPolicy,
    private readonly open: OpenRange,
    private readonly sizeBytes: number,
  ) {}

  /** Bytes that are here but not written yet. */
  get heldBytes(): number {
    return this.received;
  }

  /** What to ask for at a byte: the next part, or all of the rest. */
  nextRange(from: number): ByteRange {
    return this.ended ? { from } : this.rangeAt(from);
  }

  /** The part that begins at a byte. */
  private rangeAt(from: number): ByteRange & { last: number } {
    return { from, last: Math.min(from + this.policy.partBytes, this.sizeBytes) - 1 };
  }

  /** Fetches what comes after a byte, as far as connections are free. */
  fetchFrom(first: number): void {
    if (!this.measured) return;
    for (let from = first; from < this.sizeBytes; from = this.rangeAt(from).last + 1) {
      if (this.parts.has(from)) continue;
      if (this.ended || this.parts.size >= this.policy.connections - 1 || !this.policy.tryEnter()) return;
      const range = this.rangeAt(from);
      const part = this.fetch(range).catch(() => undefined);
      this.parts.set(from, part);
      void part.finally(() => this.policy.leave());
    }
  }

  /** The part that begins at a byte, when it was fetched ahead; `undefined` also when that has failed. */
  async take(from: number): Promise<Buffer | undefined> {
    const part = this.parts.get(from);
    if (!part) return undefined;
    this.parts.delete(from);
    // The download's own connection has nothing to do meanwhile.
    this.policy.leave();
    this.fetchFrom(this.rangeAt(from).last + 1);
    const bytes = await part;
    this.policy.enter();
    this.received -= bytes?.length ?? 0;
    return bytes;
  }

  /** Tells how long the first part took: from then on others are fetched ahead, or all of the rest at once. */
  firstPart(bytes: number, ms: number): void {
    this.measured = true;
    if (this.policy.isFast(bytes, ms)) this.end();
  }

  /** Whatever is still coming is left. */
  end(): void {
    this.ended = true;
  }

  private async fetch(range: ByteRange & { last: number }): Promise<Buffer | undefined> {
    const response = await this.open(range);
    const sent = contentRange(response);
    const right =
      sent?.from === range.from && sent.last === range.last && (sent.total ?? this.sizeBytes) === this.sizeBytes;
    if (this.ended || response.status !== 206 || !right) {
      response.body.destroy();
      return undefined;
    }
    const bytes = Buffer.allocUnsafeSlow(range.last - range.from + 1);
    let length = 0;
    try {
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        if (this.ended || length + chunk.length > bytes.length) break; // which ends the answer
        chunk.copy(bytes, length);
        length += chunk.length;
        this.received += chunk.length;
      }
      if (length === bytes.length && !this.ended) return bytes;
    } catch {
      // it is asked for again by whoever needs it
    }
    this.received -= length;
    return undefined;
  }
}
