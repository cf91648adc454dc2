/** Answers that are read whole. */
import { RuntimeError } from '../../../errors';
import type { HttpClient } from './http';
import type { HttpRequest, HttpResponse } from './message';
import { isPassingError, pauseMs } from './retry';
import { failureCode, networkError, shownUrl } from './wording';

/**
 * Reads a whole answer.
 * @param limitBytes what is longer is not read to its end
 * @throws RuntimeError NETWORK; REGISTRY when it is longer
 */
export async function readAll(response: HttpResponse, limitBytes: number, method = 'GET'): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limitBytes) throw tooLong(response.url, limitBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    response.body.destroy();
    throw error instanceof RuntimeError ? error : networkError(method, response.url, error);
  }
  return Buffer.concat(chunks, length);
}

function tooLong(url: URL, limitBytes: number): RuntimeError {
  const message = `the answer of "${shownUrl(url)}" is longer than ${limitBytes} bytes`;
  return new RuntimeError('REGISTRY', message, { path: shownUrl(url) });
}

export interface Answer extends Omit<HttpResponse, 'body'> {
  bytes: Buffer;
}

/** Sends a request and reads its answer; one that breaks off is asked for again. @throws RuntimeError NETWORK, REGISTRY */
export async function requestAll(client: HttpClient, request: HttpRequest, limitBytes: number): Promise<Answer> {
  for (let failures = 1; ; failures++) {
    const { body, ...response } = await client.request(request);
    try {
      return { ...response, bytes: await readAll({ ...response, body }, limitBytes, request.method) };
    } catch (error) {
      request.signal?.throwIfAborted();
      const passing = error instanceof RuntimeError && error.code === 'NETWORK' && isPassingError(failureCode(error));
      if (request.once || !passing || failures >= client.retry.tries) throw error;
      await client.waitAfter(error.message, pauseMs(client.retry, failures), request.signal);
    }
  }
}
