/**
 * The action script (docs/plan-format.md): sources the image's environment files, settles who wins, and executes what the
 * action is about. Written in the part of the POSIX shell language that the embedded shell interprets: no command
 * substitution, pipe, subshell or here-document. Values never stand in the text, so that one text serves all launches of
 * an action; it is parsed on every launch and kept short.
 *
 * It is given, by the launcher: the image's variables to be (Environment.set), the host's as DAVIT_HOST_X with their
 * names in DAVIT_HOST_NAMES, injected ones as DAVIT_ENV_X with DAVIT_ENV_NAMES; $@ is the command and its arguments.
 */
import type { Injection } from './injected';
import type { Action } from './options';

/** `run` of an instance is `run`; everything else is named by its action. */
export type ScriptAction = Action;

export interface ScriptRequest {
  action: ScriptAction;
  /** --app was given. */
  app: boolean;
  /** Injected values are taken literally (--no-eval). */
  noEval: boolean;
  injection: Pick<Injection, 'set' | 'path' | 'library'>;
  messageLevel: number;
  color: boolean;
}

/** The text for one action. The same requests give the same text. */
export function actionScript(request: ScriptRequest): string {
  const { injection } = request;
  const injects = injection.set.length > 0;
  return [
    injects ? injectFunction(request.noEval) : '',
    sourceImage(injects),
    injects ? 'davit_inject\n' : '',
    RESTORE_HOST,
    injection.path ? EXTEND_PATH : '',
    injection.library ? EXTEND_LIBRARY_PATH : '',
    PROMPT,
    ACTIONS[request.action](request),
  ].join('');
}

/**
 * Evaluates each injected text once, as double-quoted text: `$PATH` and `$HOME` in it are the container's. Directly
 * after 99-base.sh, which completes LD_LIBRARY_PATH, and before 99-runtimevars.sh; a second call finds no names.
 */
function injectFunction(noEval: boolean): string {
  const assign = noEval
    ? 'eval "export $DAVIT_N=\\"\\$DAVIT_ENV_$DAVIT_N\\""'
    : 'eval "eval \\"export $DAVIT_N=\\\\\\"\\$DAVIT_ENV_$DAVIT_N\\\\\\"\\""';
  return `davit_inject() {
unset IFS
for DAVIT_N in \${DAVIT_ENV_NAMES-}; do
${assign}
unset DAVIT_ENV_$DAVIT_N
done
unset DAVIT_ENV_NAMES
}
`;
}

/** Shells come with variables of their own, such as PS1 and TERM: what the image finds, and what returns, is ours. */
function sourceImage(injects: boolean): string {
  return `unset PS1 \${DAVIT_HOST_NAMES-}
for DAVIT_F in /.singularity.d/env/*.sh; do
[ -f "$DAVIT_F" ] || continue
case $DAVIT_F in */90-environment.sh) export "PATH=\${PATH-$DAVIT_P}";; esac
. "$DAVIT_F"
case $DAVIT_F in
*/10-docker*) for DAVIT_D in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
case :\${PATH-}: in *:$DAVIT_D:*);; *) PATH=\${PATH:+$PATH:}$DAVIT_D;; esac
done;;
${injects ? '*/99-base.sh) davit_inject;;\n' : ''}esac
done
[ -d /.singularity.d/env ] || ! [ -f /environment ] || . /environment
`.replace('$DAVIT_P', DEFAULT_PATH_TEXT);
}

const DEFAULT_PATH_TEXT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The host's variables that the image left alone come back; one that the image has emptied is removed. */
const RESTORE_HOST = `unset IFS
for DAVIT_N in \${DAVIT_HOST_NAMES-}; do
eval "case \\\${$DAVIT_N-u}\\\${$DAVIT_N+s} in u) export $DAVIT_N=\\"\\$DAVIT_HOST_$DAVIT_N\\";; s) unset $DAVIT_N;; esac; unset DAVIT_HOST_$DAVIT_N"
done
unset DAVIT_HOST_NAMES
`;

const EXTEND_PATH = `PATH=\${DAVIT_PATH:-\${DAVIT_PREPEND_PATH:+$DAVIT_PREPEND_PATH:}\${PATH-}\${DAVIT_APPEND_PATH:+:$DAVIT_APPEND_PATH}}
unset DAVIT_PATH DAVIT_PREPEND_PATH DAVIT_APPEND_PATH
`;

const EXTEND_LIBRARY_PATH = `export "LD_LIBRARY_PATH=\${DAVIT_PREPEND_LD:+$DAVIT_PREPEND_LD:}\${LD_LIBRARY_PATH-}\${DAVIT_APPEND_LD:+:$DAVIT_APPEND_LD}"
unset DAVIT_PREPEND_LD DAVIT_APPEND_LD
`;

/** PROMPT_COMMAND puts the prompt back once, after a start-up file of the host's home has changed it. */
const PROMPT = `: "\${PS1=Apptainer> }" "\${PATH=${DEFAULT_PATH_TEXT}}"
case \${PROMPT_COMMAND-} in
'') PROMPT_COMMAND="PS1=\\"$PS1\\"; unset PROMPT_COMMAND";;
*) PROMPT_COMMAND="$PROMPT_COMMAND; PROMPT_COMMAND=\\"\\\${PROMPT_COMMAND%%; PROMPT_COMMAND=*}\\"; PS1=\\"$PS1\\"";;
esac
export PATH PS1 PROMPT_COMMAND
`;

const ACTIONS: Record<ScriptAction, (request: ScriptRequest) => string> = {
  exec: execCommand,
  shell: execShell,
  run: runScript,
  test: (request) =>
    chosenScript(
      request,
      'test',
      'No tests for contained app',
      '.singularity.d/test',
      'No test script found in container, exiting',
      // The reference's action script in the image says it, whatever the level of messages is.
      'No test found in container, executing /bin/sh -c true',
    ),
  start: (request) =>
    chosenScript(
      request,
      'startscript',
      'No startscript for contained app',
      '.singularity.d/startscript',
      'No instance start script found in container',
    ),
};

/** $1 is looked up on the container's PATH; argv[0] becomes the path that was found. */
function execCommand({ color }: ScriptRequest): string {
  return `davit_fail() {
printf '%s%s\\n' '${prefix('FATAL', color)}' "$1" >&2
exit 255
}
DAVIT_C=$1
shift
case $DAVIT_C in
/*) DAVIT_F=$DAVIT_C;;
*/*) DAVIT_F=$PWD/\${DAVIT_C#./};;
*) DAVIT_D=$PATH:
while [ "$DAVIT_D" ]; do
DAVIT_F=\${DAVIT_D%%:*}
DAVIT_F=\${DAVIT_F:-$PWD}/$DAVIT_C
DAVIT_D=\${DAVIT_D#*:}
[ -f "$DAVIT_F" ] && [ -x "$DAVIT_F" ] && break
DAVIT_F=
done
[ "$DAVIT_F" ] || davit_fail "\\"$DAVIT_C\\": executable file not found in \\$PATH";;
esac
[ -e "$DAVIT_F" ] || davit_fail "stat $DAVIT_C: no such file or directory"
[ -d "$DAVIT_F" ] && davit_fail 'is a directory'
[ -x "$DAVIT_F" ] || davit_fail 'permission denied'
exec "$DAVIT_F" "$@"
`;
}

function execShell({ color }: ScriptRequest): string {
  return `[ -x "\${APPTAINER_SHELL-}" ] && exec "$APPTAINER_SHELL" "$@"
[ -x /bin/bash ] && export SHELL=/bin/bash && exec /bin/bash --norc "$@"
[ -x /bin/sh ] && export SHELL=/bin/sh && exec /bin/sh "$@"
${complain(color, '/bin/sh does not exist in container', 1)}`;
}

// A script whose interpreter /bin/sh the image lacks is interpreted by the launcher, when its execve has failed.

function runScript(request: ScriptRequest): string {
  if (request.app) return appScript(request, 'runscript', 'no runscript for contained app');
  return `for DAVIT_F in /.singularity.d/runscript /apptainer /singularity; do
[ -f "$DAVIT_F" ] && [ -x "$DAVIT_F" ] && exec "$DAVIT_F" "$@"
done
[ -x /bin/sh ] || ${braced(complain(request.color, 'no runscript and no /bin/sh found in container', 1))}
${inform(request, 'No runscript found in container, executing /bin/sh')}exec /bin/sh "$@"
`;
}

/** Not finding the script is no failure: a test passes, an instance stays up without a service. */
function chosenScript(
  request: ScriptRequest,
  name: string,
  appMessage: string,
  path: string,
  message: string,
  output = '',
): string {
  if (request.app) return appScript(request, name, appMessage);
  return `[ -x /${path} ] && exec /${path} "$@"
${inform(request, message)}${output === '' ? '' : `printf '%s\\n' '${output}'\n`}exit 0
`;
}

function appScript({ color }: ScriptRequest, name: string, message: string): string {
  return `DAVIT_F=/scif/apps/$APPTAINER_APPNAME/scif/${name}
[ -x "$DAVIT_F" ] && exec "$DAVIT_F" "$@"
printf '%s%s\\n' '${prefix('ERROR', color)}' "${message}: $APPTAINER_APPNAME" >&2
exit 1
`;
}

function complain(color: boolean, text: string, code: number): string {
  return `printf '%s%s\\n' '${prefix('ERROR', color)}' '${text}' >&2
exit ${code}
`;
}

function braced(text: string): string {
  return `{\n${text}}`;
}

function inform({ messageLevel, color }: ScriptRequest, text: string): string {
  return messageLevel >= 1 ? `printf '%s%s\\n' '${prefix('INFO', color)}' '${text}' >&2\n` : '';
}

const COLORS = { FATAL: '\x1b[31m', ERROR: '\x1b[31m', INFO: '\x1b[34m' };
/** Width of the level with its colon. */
const PREFIX_WIDTH = 8;

function prefix(level: keyof typeof COLORS, color: boolean): string {
  const label = `${level}:`.padEnd(PREFIX_WIDTH);
  return color ? `${COLORS[level]}${label}\x1b[0m ` : `${label} `;
}
