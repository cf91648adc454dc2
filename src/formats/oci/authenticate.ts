/** The header WWW-Authenticate (RFC 7235, section 4.1): what a server wants to know before it answers. */

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  scheme: string;
  /** Names in lower case. */
  parameters: Record<string, string>;
}

const MAX_CHALLENGES = 16;

/** Reads all challenges; what is no challenge is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const token = /[A-Za-z0-9!#$%&'*+.^_`|~-]+/y;
  const space = /[\s,]*/y;
  let at = 0;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(header)?.[0] ?? '';
    at += found.length;
    return found;
  };
  while (at < header.length && challenges.length < MAX_CHALLENGES) {
    take(space);
    const word = take(token);
    if (word === '') break;
    const equals = take(/\s*=(?!=)\s*/y);
    if (equals === '') {
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      continue;
    }
    const value = header[at] === '"' ? unquote(take(/"(?:[^"\\]|\\.)*"?/y)) : take(token);
    const current = challenges.at(-1);
    if (current) current.parameters[word.toLowerCase()] = value;
  }
  return challenges;
}

function unquote(text: string): string {
  return text.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1');
}
