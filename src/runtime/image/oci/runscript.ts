/** `/.singularity.d/runscript` of an image that comes from a registry: ENTRYPOINT, CMD and the user's arguments. */
import { doubleQuoted, singleQuoted } from './quote';

export interface OciCommand {
  entrypoint: string[];
  cmd: string[];
}

/**
 * ENTRYPOINT comes first; arguments replace CMD (formats.md section 7). ENTRYPOINT and CMD are taken as they are;
 * arguments are evaluated once, as if they stood in double quotes, unless SINGULARITY_NO_EVAL is set (--no-eval).
 * The line that begins with `eval` stands in this form for Apptainer, which interprets such scripts without /bin/sh.
 */
export function ociRunscript({ entrypoint, cmd }: OciCommand): string {
  return `#!/bin/sh
# Runs what the image is made for. Arguments take the place of CMD.
OCI_ENTRYPOINT=${singleQuoted(entrypoint.map(doubleQuoted).join(' '))}
OCI_CMD=${singleQuoted(cmd.map(doubleQuoted).join(' '))}

if [ $# -eq 0 ] && [ -z "$OCI_ENTRYPOINT$OCI_CMD" ]; then
    echo "This image names no command to run: give one" >&2
    exit 1
fi

# Every word exactly as it was given.
if [ -n "\${SINGULARITY_NO_EVAL:-}" ]; then
${cmd.length === 0 ? '' : `    if [ $# -eq 0 ]; then\n        ${setWords(cmd, false)}\n    fi\n`}${
  entrypoint.length === 0 ? '' : `    ${setWords(entrypoint, true)}\n`
}    exec "$@"
fi

# Variables and the like in arguments have a meaning.
OCI_ARGS=
for OCI_ARG in "$@"; do
    OCI_ARGS="$OCI_ARGS \\"$OCI_ARG\\""
done
SINGULARITY_OCI_RUN="-- $OCI_ENTRYPOINT \${OCI_ARGS:-$OCI_CMD}"
eval "set \${SINGULARITY_OCI_RUN}"
exec "$@"
`;
}

function setWords(words: string[], before: boolean): string {
  return `set -- ${words.map(singleQuoted).join(' ')}${before ? ' "$@"' : ''}`;
}
