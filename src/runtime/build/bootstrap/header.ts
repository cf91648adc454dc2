import { RuntimeError } from '../../../errors';
import { headerValue, type Stage } from '../../../formats/definition/definition';

/** Value of a header key that an agent cannot do without. @throws RuntimeError DEFINITION */
export function requiredHeader(stage: Stage, key: string): string {
  const value = headerValue(stage, key);
  if (value !== '') return value;
  const agent = headerValue(stage, 'bootstrap');
  throw new RuntimeError('DEFINITION', `bootstrap agent ${agent} needs the header key ${key}`, {
    path: key,
    hint: `add a line "${key}: …"`,
  });
}
