/** The root directory of the busybox image: a container that answers questions. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findProgram } from './capabilities';
import type { World } from './world';

const app = 'scif/apps/hello';

const directories = [
  ...'bin dev etc home lib mnt opt proc root run sbin srv sys tmp usr/bin usr/sbin var/tmp'.split(' '),
  `${app}/lib`,
];

const files: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/os-release': 'ID=fixture\nPRETTY_NAME="busybox fixture"\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/resolv.conf': '',
  'etc/keep': 'as in the image\n',
  'srv/site/index.html': 'the page of the image\n',
  'srv/site/deep/er/file': 'deep\n',
};

/** `sleep` holds the instance; what else it is told stands in its arguments. */
const startscript = `#!/bin/sh

echo "startscript: $#: $*"
echo "startscript: an error line" >&2
case "$1" in
  fail) echo "cannot open the database" >&2; exit "\${2:-3}" ;;
  end) exit 0 ;;
  env) env ;;
  stubborn) trap '' INT TERM ;;
  polite) trap 'echo "startscript: got INT"; exit 0' INT; trap 'echo "startscript: got TERM"; exit 0' TERM
    while :; do sleep 0.05; done ;;
  run) shift; exec "$@" ;;
esac
exec sleep 1000000
`;

const runscript = `#!/bin/sh

echo "runscript: $#: $*"
for word in "$@"; do echo "word: <$word>"; done
`;

const scripts: Record<string, string> = {
  '.singularity.d/startscript': startscript,
  '.singularity.d/runscript': runscript,
  '.singularity.d/test': '#!/bin/sh\n\necho "test: $#: $*"\nexit "${1:-0}"\n',
  '.singularity.d/env/90-environment.sh':
    '#!/bin/sh\n\nexport FROM_IMAGE="set by the image"\nexport LISTEN_PORT=9000\nexport EMPTY_IN_IMAGE=\n',
};

const appScripts: Record<string, string> = {
  [`${app}/scif/runscript`]: '#!/bin/sh\n\necho "app run: $SCIF_APPNAME $#: $*"\n',
  [`${app}/scif/startscript`]: '#!/bin/sh\n\necho "app start: $SCIF_APPNAME $*"\nexec sleep 1000000\n',
  [`${app}/scif/test`]: '#!/bin/sh\n\necho "app test $*"\nexit "${1:-0}"\n',
  [`${app}/scif/env/01-base.sh`]: `#!/bin/sh

SCIF_APPNAME=hello
SCIF_APPROOT="/${app}"
export SCIF_APPNAME SCIF_APPROOT
SCIF_APPDATA="/scif/data/hello"
export SCIF_APPDATA
`,
  [`${app}/scif/env/90-environment.sh`]: 'export HELLO_GREETING=hi\n',
  [`${app}/bin/greet`]: '#!/bin/sh\necho "greet: $HELLO_GREETING"\n',
};

/** Fills an empty directory. */
export function layOutBusybox(rootfs: string): void {
  for (const name of directories) mkdirSync(join(rootfs, name), { recursive: true });
  const busybox = findProgram('busybox');
  if (busybox === undefined) throw new Error('busybox is not on PATH');
  copyFileSync(busybox, join(rootfs, 'bin/busybox'));
  chmodSync(join(rootfs, 'bin/busybox'), 0o755);
  for (const name of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n')) {
    if (name !== '' && name !== 'busybox') symlinkSync('busybox', join(rootfs, 'bin', name));
  }
  writeAll(rootfs, files, 0o644);
  writeAll(rootfs, { ...scripts, ...appScripts }, 0o755);
  chmodSync(join(rootfs, 'tmp'), 0o1777);
  chmodSync(join(rootfs, 'var/tmp'), 0o1777);
}

export function writeAll(rootfs: string, contents: Record<string, string>, mode: number): void {
  for (const [name, text] of Object.entries(contents)) {
    const path = join(rootfs, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, mode);
  }
}

/** A busybox root directory, changed by `change`. */
export function busyboxRootfs(world: World, name: string, change: (directory: string) => void = () => {}): string {
  const directory = world.makeDirectory(name);
  layOutBusybox(directory);
  change(directory);
  return directory;
}
