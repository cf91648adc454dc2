/** What a registry says when it does not do what it was asked for (distribution specification, "Error Codes"). */
import { RuntimeError } from '../../../errors';
import { isObject, optionalString, printable } from '../../../formats/oci/json';
import type { Answer } from '../transfer/answer';
import { retryAfterMs } from '../transfer/retry';

/** Some servers send whole pages. */
const MAX_WORDS = 300;

/**
 * @param what was asked for, in front of the registry's own words: `reading manifest 1 in reg.test/a`
 * @returns RuntimeError REGISTRY
 */
export function registryError(answer: Answer, what: string): RuntimeError {
  const { status } = answer;
  const said = registryWords(answer.bytes);
  const words = said ?? STATUS_WORDS[status] ?? `status ${status}`;
  return new RuntimeError('REGISTRY', `${what}: ${words}`, { path: answer.url.host, hint: hintFor(answer) });
}

const STATUS_WORDS: Record<number, string> = {
  401: 'unauthorized: authentication required',
  403: 'denied: requested access to the resource is denied',
  404: 'not found',
  429: 'toomanyrequests: the rate limit is reached',
};

/** `message`, behind its code where that says more; several joined. */
function registryWords(bytes: Buffer): string | undefined {
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  const list = isObject(body) && Array.isArray(body.errors) ? body.errors.slice(0, 3) : [];
  const texts = list.filter(isObject).map(({ code, message }) => {
    const [name, text] = [optionalString(code), optionalString(message)];
    if (name === undefined || text === undefined) return text ?? name;
    return ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'BLOB_UNKNOWN'].includes(name)
      ? text
      : `${name.toLowerCase()}: ${text}`;
  });
  const words = texts.filter((text) => text !== undefined).join('; ');
  return words === '' ? undefined : printable(words, MAX_WORDS);
}

function hintFor({ status, headers, url }: Answer): string | undefined {
  switch (status) {
    case 401:
    case 403:
      return `log in with "davit registry login -u USER docker://${url.host}", or check the name of the image`;
    case 429: {
      const header = headers['retry-after'];
      const wait = retryAfterMs(header, Date.now());
      const when = wait === undefined ? 'later' : `in ${Math.ceil(wait / 60_000)} min`;
      return `try again ${when}; registries allow more to users who have logged in`;
    }
    default:
      return status >= 500 ? 'the server has trouble: try again later' : undefined;
  }
}
