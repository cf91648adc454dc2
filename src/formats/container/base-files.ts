/**
 * What every image has, and a plain directory lacks: the directories that launches mount on, and `/.singularity.d` with
 * the scripts that set the environment and choose what is run. The scripts do what those of other builders do; the
 * order of the environment files by name is the interface.
 */
import { appsEnvironment } from './apps';
import type { ImageTree, NewEntry } from './tree';

const DIRECTORIES = [
  '.singularity.d/actions',
  '.singularity.d/env',
  '.singularity.d/libs',
  'dev',
  'etc',
  'home',
  'proc',
  'root',
  'sys',
  'tmp',
  'var/tmp',
];

const LINKS: Record<string, string> = {
  singularity: '.singularity.d/runscript',
  environment: '.singularity.d/env/90-environment.sh',
  '.run': '.singularity.d/actions/run',
  '.exec': '.singularity.d/actions/exec',
  '.test': '.singularity.d/actions/test',
  '.shell': '.singularity.d/actions/shell',
};

const BASE = `#!/bin/sh
# The first of the files that make up the environment of this image. They are read in the order of their names; this
# one sets nothing.
`;

const ENVIRONMENT = `#!/bin/sh
# What is exported here is part of the environment of everything that runs in this image.
`;

const APPS = `#!/bin/sh
# Puts the app that was chosen with --app in front: its programs, its libraries, its environment.

if [ -n "\${SINGULARITY_APPNAME:-}" ]; then
    if [ ! -d "/scif/apps/$SINGULARITY_APPNAME/" ]; then
        echo "Could not locate the container application: $SINGULARITY_APPNAME"
        exit 1
    fi
    SCIF_APPS="/scif/apps"
    SCIF_APPROOT="/scif/apps/$SINGULARITY_APPNAME"
    export SINGULARITY_APPNAME SCIF_APPS SCIF_APPROOT

    PATH="$SCIF_APPROOT:/scif/apps/singularity:$PATH"
    if [ -d "$SCIF_APPROOT/bin" ]; then
        PATH="$SCIF_APPROOT/bin:$PATH"
    fi
    export PATH
    if [ -d "$SCIF_APPROOT/lib" ]; then
        LD_LIBRARY_PATH="$SCIF_APPROOT/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        export LD_LIBRARY_PATH
    fi

    if [ -f "$SCIF_APPROOT/scif/env/01-base.sh" ]; then
        . "$SCIF_APPROOT/scif/env/01-base.sh"
    fi
    if [ -f "$SCIF_APPROOT/scif/env/90-environment.sh" ]; then
        . "$SCIF_APPROOT/scif/env/90-environment.sh"
    fi
fi
`;

const LIBRARIES = `#!/bin/sh
# Libraries of the host that the runtime puts into the image are found last; a prompt shows where one is.

LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
if [ -z "\${PS1:-}" ]; then
    PS1="Apptainer> "
fi
export LD_LIBRARY_PATH PS1
`;

const RUNTIME = `#!/bin/sh
# Changes to PATH that the caller asked for come after everything the image does to it.

if [ -n "\${SING_USER_DEFINED_PREPEND_PATH:-}" ]; then
    PATH="$SING_USER_DEFINED_PREPEND_PATH:$PATH"
fi
if [ -n "\${SING_USER_DEFINED_APPEND_PATH:-}" ]; then
    PATH="$PATH:$SING_USER_DEFINED_APPEND_PATH"
fi
if [ -n "\${SING_USER_DEFINED_PATH:-}" ]; then
    PATH="$SING_USER_DEFINED_PATH"
fi
unset SING_USER_DEFINED_PREPEND_PATH SING_USER_DEFINED_APPEND_PATH SING_USER_DEFINED_PATH
export PATH
`;

const RUNSCRIPT = `#!/bin/sh
echo "This image has no runscript: nothing to run."
`;

const STARTSCRIPT = `#!/bin/sh
# This image has no startscript: its instances stay up and run nothing.
`;

const READ_ENVIRONMENT = `#!/bin/sh
# For runtimes that enter an image through this file.
for file in /.singularity.d/env/*.sh; do
    if [ -f "$file" ]; then
        . "$file"
    fi
done
`;

/** An action that executes a script of the chosen app, else of the image. */
function scriptAction(script: string, otherwise: string): string {
  return `${READ_ENVIRONMENT}
if [ -n "\${SINGULARITY_APPNAME:-}" ]; then
    script="/scif/apps/$SINGULARITY_APPNAME/scif/${script}"
    if [ ! -x "$script" ]; then
        echo "The app $SINGULARITY_APPNAME has no ${script}"
        exit 1
    fi
    exec "$script" "$@"
fi
if [ -x /.singularity.d/${script} ]; then
    exec /.singularity.d/${script} "$@"
fi
${otherwise}
`;
}

const SHELL_ACTION = `${READ_ENVIRONMENT}
if [ -x "\${SINGULARITY_SHELL:-}" ]; then
    exec "$SINGULARITY_SHELL" "$@"
elif [ -x /bin/bash ]; then
    SHELL=/bin/bash
    export SHELL
    exec /bin/bash --norc "$@"
fi
SHELL=/bin/sh
export SHELL
exec /bin/sh "$@"
`;

const SCRIPTS: Record<string, string> = {
  'actions/exec': `${READ_ENVIRONMENT}\nexec "$@"\n`,
  'actions/run': scriptAction('runscript', 'exec /bin/sh "$@"'),
  'actions/shell': SHELL_ACTION,
  'actions/start': scriptAction('startscript', 'exit 0'),
  'actions/test': scriptAction('test', 'exit 0'),
  'env/01-base.sh': BASE,
  'env/90-environment.sh': ENVIRONMENT,
  'env/95-apps.sh': APPS,
  'env/99-base.sh': LIBRARIES,
  'env/99-runtimevars.sh': RUNTIME,
  runscript: RUNSCRIPT,
  startscript: STARTSCRIPT,
};

/** What to add to a tree so that it is an image. Nothing that is there is touched. */
export function baseEntries(tree: ImageTree): NewEntry[] {
  const scripts = { ...SCRIPTS, 'env/94-appsbase.sh': appsEnvironment(tree) };
  return [
    ...DIRECTORIES.map((path): NewEntry => ({ path, type: 'directory', mode: 0o755, content: '', replace: false })),
    ...['etc/hosts', 'etc/resolv.conf'].map((path) => file(path, '', 0o644)),
    ...Object.entries(scripts).map(([name, text]) => file(`.singularity.d/${name}`, text, 0o755)),
    ...Object.entries(LINKS).map(
      ([path, content]): NewEntry => ({ path, type: 'symlink', mode: 0o777, content, replace: false }),
    ),
  ];
}

function file(path: string, content: string, mode: number): NewEntry {
  return { path, type: 'file', mode, content, replace: false };
}
