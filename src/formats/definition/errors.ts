import { RuntimeError } from '../../errors';

/** What is wrong with a definition file, and where: `image.def:12: …`. */
export function definitionError(name: string, line: number, text: string, hint?: string): RuntimeError {
  const place = `${name}:${line}`;
  return new RuntimeError('DEFINITION', `while parsing definition: ${place}: ${text}`, { path: place, hint });
}
