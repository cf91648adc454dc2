import { RuntimeError } from '../../../errors';
import type { Script } from '../../../formats/definition/definition';

/**
 * The command that runs a section's script: `/bin/sh -ex SCRIPT`. Words behind the section's name come in front of the
 * script; everything behind `-c` is one argument with the script: `%post -c /bin/bash` is
 * `/bin/sh -ex -c "/bin/bash SCRIPT"`.
 * @throws RuntimeError DEFINITION
 */
export function sectionCommand(name: string, { args }: Script, script: string): string[] {
  const words = args.split(/\s+/).filter((word) => word !== '');
  const command = words.indexOf('-c');
  if (command < 0) return ['/bin/sh', '-ex', ...words, script];
  if (command === words.length - 1) {
    const text = `while processing section %${name} arguments: bad ${name} section '-c' parameter: missing arguments`;
    throw new RuntimeError('DEFINITION', text, { hint: `write "%${name} -c /bin/bash"` });
  }
  return ['/bin/sh', '-ex', ...words.slice(0, command + 1), `${words.slice(command + 1).join(' ')} ${script}`];
}
