import { RuntimeError } from '../../../errors';
import { headerValue, type Stage } from '../../../formats/definition/definition';

/** As the documentation writes them; any case will do. */
const KEYS = { from: 'From', mirrorurl: 'MirrorURL', osversion: 'OSVersion' } as const;

/** Value of a header key that an agent cannot do without. @throws RuntimeError DEFINITION */
export function requiredHeader(stage: Stage, key: keyof typeof KEYS): string {
  const value = headerValue(stage, key);
  if (value !== '') return value;
  const agent = headerValue(stage, 'bootstrap');
  throw new RuntimeError('DEFINITION', `bootstrap agent ${agent} needs the header key ${KEYS[key]}`, {
    path: KEYS[key],
    hint: `add a line "${KEYS[key]}: …"`,
  });
}

/** Says in which header a mistake of the definition is; other errors stay as they are. */
export function inHeader(error: unknown, file: string, { header, line }: Stage): unknown {
  if (!(error instanceof RuntimeError) || error.code !== 'DEFINITION') return error;
  const { code, message, hint, path } = error;
  return new RuntimeError(code, `${file}:${header.get('bootstrap')?.line ?? line}: ${message}`, { hint, path });
}
