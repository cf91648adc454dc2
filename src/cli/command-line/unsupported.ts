/** The refusal of what is not there yet. */
import { RuntimeError } from '../../errors';
import type { FlagSource } from '../flags';
import type { Flag } from '../flags/flag';
import type { FlagValue, Options } from './parse';

/** Whether a value asks for something: `--nv=false` and `--pids-limit 0` do not. */
export function isUsed(flag: Flag, value: FlagValue | undefined): boolean {
  if (value === undefined || value === false || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  return flag.default === undefined || String(value) !== flag.default;
}

/** `--nv`, or `APPTAINER_NV (--nv)` when a variable asked for it. */
function wording(options: Options, flag: Flag): string {
  const given = options.given(flag.key);
  return given === undefined || given.startsWith('--') ? `--${flag.name}` : `${given} (--${flag.name})`;
}

/** @throws RuntimeError OPTION for the first option that is used and not there yet. */
export function refuseUnsupported(options: Options, flags: FlagSource): void {
  if (options.isEmpty()) return;
  for (const flag of flags()) {
    if (flag.state !== 'later' || !isUsed(flag, options.value(flag.key))) continue;
    throw new RuntimeError('OPTION', `not supported yet: ${wording(options, flag)}`, {
      path: `--${flag.name}`,
      ...(flag.note === undefined ? undefined : { hint: flag.note }),
    });
  }
}
