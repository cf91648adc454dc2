/**
 * A download into a file: hashed while it streams, resumed where it broke off, also by a later process, and complete only
 * when size and digest are what was announced.
 */
import { RuntimeError } from '../../../errors';
import type { HttpClient } from './http';
import { discard, headerOf, type HttpResponse } from './message';
import { PartialFile } from './partial-file';
import { isPassingError, pauseMs } from './retry';
import { failureCode, networkError, shownUrl } from './wording';

export interface DownloadRequest {
  client: HttpClient;
  /** Asks for the content from an offset on: a Range header, unless it is 0. Answers other than 200, 206, 416 throw. */
  open: (fromByte: number) => Promise<HttpResponse>;
  /** The file; what is in it already is taken as the beginning. */
  path: string;
  /** For messages. */
  what: string;
  sizeBytes?: number;
  /** `sha256:…` or `sha512:…`. */
  digest?: string;
  /** Told how many bytes are there, and how many there will be. */
  onBytes?: (doneBytes: number, totalBytes: number | undefined) => void;
  signal?: AbortSignal;
}

export interface Downloaded {
  sizeBytes: number;
  /** Hex. */
  sha256: string;
}

/**
 * Downloads. The file is left as it is when the connection broke for good, so that a later call goes on; it is removed when its
 * content is wrong.
 * @throws RuntimeError NETWORK, REGISTRY, INTEGRITY, or a system error of the file
 */
export async function download(request: DownloadRequest): Promise<Downloaded> {
  const file = await PartialFile.open(request.path, request.digest);
  try {
    const resumed = file.sizeBytes > 0;
    if (request.sizeBytes !== undefined && file.sizeBytes > request.sizeBytes) await file.reset();
    await fetchRest(request, file);
    if (resumed && !matches(request, file)) {
      // The beginning was another process's, perhaps cut off by a full disk: it gets the blame first.
      await file.reset();
      await fetchRest(request, file);
    }
    if (!matches(request, file)) throw await wrongContent(request, file);
    return { sizeBytes: file.sizeBytes, sha256: file.sha256() };
  } finally {
    await file.close();
  }
}

/** Fetches until all bytes are there; gives up after some tries without a single byte of progress. */
async function fetchRest(request: DownloadRequest, file: PartialFile): Promise<void> {
  const { client, signal, sizeBytes } = request;
  let failures = 0;
  while (sizeBytes === undefined || file.sizeBytes < sizeBytes || sizeBytes === 0) {
    const before = file.sizeBytes;
    // It makes several tries itself; here it is about answers that break off.
    const response = await request.open(before);
    try {
      await receive(request, file, response);
      if (sizeBytes === undefined || file.sizeBytes === sizeBytes) return;
      throw new RuntimeError(
        'NETWORK',
        `${request.what}: the answer ended after ${file.sizeBytes} of ${sizeBytes} bytes`,
        {
          errno: 'ECONNRESET',
        },
      );
    } catch (error) {
      signal?.throwIfAborted();
      failures = file.sizeBytes > before ? 1 : failures + 1;
      const passing = error instanceof RuntimeError && error.code === 'NETWORK' && isPassingError(failureCode(error));
      if (!passing || failures >= client.retry.tries) throw error;
      await client.waitAfter(error.message, pauseMs(client.retry, failures), signal);
    }
  }
}

async function receive(request: DownloadRequest, file: PartialFile, response: HttpResponse): Promise<void> {
  await checkStart(request, file, response);
  const total = announcedSize(request, file, response);
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      if (total !== undefined && file.sizeBytes + chunk.length > total) throw tooLong(request, total);
      await file.append(chunk);
      request.onBytes?.(file.sizeBytes, total);
    }
  } catch (error) {
    response.body.destroy();
    // Errors of the file itself (no room) are passed on as they are.
    if (error instanceof RuntimeError || file.failed) throw error;
    throw networkError('GET', response.url, error);
  }
}

/** The body must continue the file; a server that begins from the start makes us do so, too. */
async function checkStart(request: DownloadRequest, file: PartialFile, response: HttpResponse): Promise<void> {
  const encoding = headerOf(response, 'content-encoding');
  if (encoding !== undefined && encoding !== 'identity') {
    await discard(response);
    throw new RuntimeError('REGISTRY', `${request.what}: "${shownUrl(response.url)}" sends it encoded as ${encoding}`);
  }
  if (response.status === 416 || (response.status === 206 && rangeStart(response) !== file.sizeBytes)) {
    await discard(response);
    if (file.sizeBytes === 0) throw new RuntimeError('REGISTRY', `${request.what}: the server cannot send it`);
    await file.reset();
    throw new RuntimeError('NETWORK', `${request.what}: the server cannot go on in the middle`, { errno: 'ERANGE' });
  }
  if (response.status === 200 && file.sizeBytes > 0) await file.reset();
}

/** `bytes 100-199/200` → 100 (RFC 9110, section 14.4). */
function rangeStart(response: HttpResponse): number | undefined {
  const start = /^bytes (\d+)-/.exec(headerOf(response, 'content-range') ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
}

function announcedSize(request: DownloadRequest, file: PartialFile, response: HttpResponse): number | undefined {
  const length = headerOf(response, 'content-length');
  const announced = length === undefined ? undefined : file.sizeBytes + Number(length);
  const { sizeBytes } = request;
  if (sizeBytes !== undefined && announced !== undefined && announced !== sizeBytes) {
    response.body.destroy();
    throw new RuntimeError(
      'INTEGRITY',
      `${request.what}: the server has ${announced} bytes, ${sizeBytes} were announced`,
    );
  }
  return sizeBytes ?? announced;
}

function tooLong({ what }: DownloadRequest, total: number): RuntimeError {
  return new RuntimeError('INTEGRITY', `${what}: the server sends more than the ${total} bytes that were announced`);
}

function matches({ sizeBytes, digest }: DownloadRequest, file: PartialFile): boolean {
  return (
    (sizeBytes === undefined || file.sizeBytes === sizeBytes) && (digest === undefined || file.digest() === digest)
  );
}

async function wrongContent({ what, digest }: DownloadRequest, file: PartialFile): Promise<RuntimeError> {
  const found = file.digest();
  await file.remove();
  return new RuntimeError('INTEGRITY', `${what}: the content has the digest ${found}, not ${digest}`, {
    hint: 'something between here and the server changes what is sent, or the server is damaged',
  });
}
