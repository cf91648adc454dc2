/**
 * A download into a file: hashed while it streams, resumed where it broke off, also by a later process, and complete only
 * when size and digest are what was announced. Large ones come in parts over several connections.
 */
import { RuntimeError } from '../../../errors';
import type { HttpClient } from './http';
import { discard, headerOf, type HttpResponse } from './message';
import { PartialFile } from './partial-file';
import { type OpenRange, type PartPolicy, PartsAhead } from './parts';
import { contentRange } from './range';
import { isPassingError, pauseMs } from './retry';
import { failureCode, networkError, shownUrl } from './wording';

export interface DownloadRequest {
  client: HttpClient;
  /** Asks for the content, or for a part of it (rangeHeader()). Answers other than 200, 206, 416 throw. */
  open: OpenRange;
  /** Whether, and how, it may come in parts. The size must be known. */
  parts?: PartPolicy;
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
  request.parts?.enter();
  try {
    const resumed = file.sizeBytes > 0;
    if (request.sizeBytes !== undefined && file.sizeBytes > request.sizeBytes) await file.reset();
    const inParts = await fetchRest(request, file);
    if ((resumed || inParts) && !matches(request, file)) {
      // The beginning was another process's, perhaps cut off by a full disk, or the parts do not fit together: they get
      // the blame first.
      await file.reset();
      await fetchRest({ ...request, parts: undefined }, file);
    }
    if (!matches(request, file)) throw await wrongContent(request, file);
    return { sizeBytes: file.sizeBytes, sha256: file.sha256() };
  } finally {
    request.parts?.leave();
    await file.close();
  }
}

/**
 * Fetches until all bytes are there; gives up after some tries without a single byte of progress.
 * @returns whether it came in parts
 */
async function fetchRest(request: DownloadRequest, file: PartialFile): Promise<boolean> {
  const { sizeBytes, parts } = request;
  const rest = (sizeBytes ?? 0) - file.sizeBytes;
  const ahead =
    sizeBytes !== undefined && parts?.fits(rest) ? new PartsAhead(parts, request.open, sizeBytes) : undefined;
  try {
    await fetchAll(request, file, ahead);
  } finally {
    ahead?.end();
  }
  return ahead !== undefined;
}

async function fetchAll(request: DownloadRequest, file: PartialFile, ahead: PartsAhead | undefined): Promise<void> {
  const { client, signal, sizeBytes } = request;
  let failures = 0;
  while (sizeBytes === undefined || file.sizeBytes < sizeBytes || sizeBytes === 0) {
    const before = file.sizeBytes;
    const part = await ahead?.take(before);
    signal?.throwIfAborted();
    if (ahead && part) {
      await file.append(part);
      request.onBytes?.(file.sizeBytes + ahead.heldBytes, sizeBytes);
      continue;
    }
    try {
      const done = await fetchPiece(request, file, ahead);
      if (done) return;
    } catch (error) {
      signal?.throwIfAborted();
      failures = file.sizeBytes > before ? 1 : failures + 1;
      const passing = error instanceof RuntimeError && error.code === 'NETWORK' && isPassingError(failureCode(error));
      if (!passing || failures >= client.retry.tries) throw error;
      await client.waitAfter(error.message, pauseMs(client.retry, failures), signal);
    }
  }
}

/** One answer: all that is missing, or the next part. @returns whether that was the last */
async function fetchPiece(
  request: DownloadRequest,
  file: PartialFile,
  ahead: PartsAhead | undefined,
): Promise<boolean> {
  const { sizeBytes, what } = request;
  const range = ahead?.nextRange(file.sizeBytes) ?? { from: file.sizeBytes };
  const since = performance.now();
  // It makes several tries itself; here it is about answers that break off.
  const response = await request.open(range);
  const next = response.status === 200 || range.last === undefined ? undefined : range.last + 1;
  const end = next ?? sizeBytes;
  if (next !== undefined) ahead?.fetchFrom(next);
  await receive(request, file, response, { end, ahead });
  if (end === undefined || file.sizeBytes === sizeBytes) return true;
  if (file.sizeBytes !== end) {
    const message = `${what}: the answer ended after ${file.sizeBytes} of ${sizeBytes} bytes`;
    throw new RuntimeError('NETWORK', message, { errno: 'ECONNRESET' });
  }
  ahead?.firstPart(file.sizeBytes - range.from, performance.now() - since);
  return false;
}

/** @param end where the answer should end; `undefined` when nobody knows */
async function receive(
  request: DownloadRequest,
  file: PartialFile,
  response: HttpResponse,
  { end, ahead }: { end: number | undefined; ahead: PartsAhead | undefined },
): Promise<void> {
  await checkStart(request, file, response);
  const announced = announcedEnd(request, file, response, end);
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      if (announced !== undefined && file.sizeBytes + chunk.length > announced) throw tooLong(request, announced);
      await file.append(chunk);
      request.onBytes?.(file.sizeBytes + (ahead?.heldBytes ?? 0), request.sizeBytes ?? announced);
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
  if (response.status === 416 || (response.status === 206 && contentRange(response)?.from !== file.sizeBytes)) {
    await discard(response);
    if (file.sizeBytes === 0) throw new RuntimeError('REGISTRY', `${request.what}: the server cannot send it`);
    await file.reset();
    throw new RuntimeError('NETWORK', `${request.what}: the server cannot go on in the middle`, { errno: 'ERANGE' });
  }
  if (response.status === 200 && file.sizeBytes > 0) await file.reset();
}

function announcedEnd(
  request: DownloadRequest,
  file: PartialFile,
  response: HttpResponse,
  end: number | undefined,
): number | undefined {
  const length = headerOf(response, 'content-length');
  const announced = length === undefined ? undefined : file.sizeBytes + Number(length);
  const total = contentRange(response)?.total ?? announced;
  const { sizeBytes, what } = request;
  if (sizeBytes !== undefined && total !== undefined && total !== sizeBytes) {
    response.body.destroy();
    throw new RuntimeError('INTEGRITY', `${what}: the server has ${total} bytes, ${sizeBytes} were announced`);
  }
  return end ?? announced;
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
