/** A request and its answer, as HttpClient takes and gives them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

export interface HttpRequest {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers?: Record<string, string>;
  /** A function is called once for every try. */
  body?: string | Uint8Array | (() => Readable);
  /** What the body says is for one server alone: it is not sent to where that redirects. */
  secretBody?: boolean;
  signal?: AbortSignal;
  /** Certificates are not checked, and plain http is a fine place to be redirected to. */
  insecure?: boolean;
  /** One try only: asking again could do twice what was asked for, or somebody else tries again. */
  once?: boolean;
}

export interface HttpResponse {
  status: number;
  headers: IncomingHttpHeaders;
  /** Where the answer came from, after redirects. */
  url: URL;
  body: Readable;
}

/** What is read of an answer nobody wants, so that its connection can be used again. */
const DUMP_BYTES = 64 << 10;

/** The first value of a header. */
export function headerOf(response: Pick<HttpResponse, 'headers'>, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Leaves an answer; a short one is read to its end, so that its connection can be used again. */
export async function discard({ body }: Pick<HttpResponse, 'body'>): Promise<void> {
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > DUMP_BYTES) return;
    }
  } catch {
    // nobody wanted it
  }
}
