/**
 * Launches whose inputs change behind the back of their remembered plans. What is remembered must never show: whatever a
 * launch prints after a change, it prints without the plan cache too.
 */
import { symlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { layOutBusybox } from './busybox';
import { davitPath, type Outcome, type RunOptions, type World } from './world';

export const NO_NODE = '/nonexistent/node';
/** A file that was changed a moment ago is not relied upon (native/state/sight.cc). */
const SETTLED_MS = 3_100;

/** Another test file may mount a file system of its own below /tmp at any moment (fault/far-image.ts), and mmdebstrap does. */
export const NOT_OTHERS = "grep -vE ' /(var/)?tmp/(davit-world-[^/ ]*/far|[^d ][^ ]*|d[^a ][^ ]*) '";

/** What a payload can see of how it was launched. */
const PROBE = `env | sort; pwd; umask; id; ulimit -a; echo "$-"
grep -E '^(Cap|Seccomp|NoNewPrivs|Groups|SigIgn|SigBlk)' /proc/self/status
cut -d' ' -f4,5,6 /proc/self/mountinfo | ${NOT_OTHERS}; cat /etc/passwd /etc/group /etc/resolv.conf /etc/hosts; ls -l /etc/localtime
ls /mnt /mnt2; cat /mnt /mnt/* /srv/site/index.html /proc/self/uid_map; tty
for ns in /proc/self/ns/*; do readlink $ns; done; echo end`;

export interface Change {
  /** Options in front of the image. */
  options?: string[];
  /** Instead of the image of the world. */
  image?: string;
  run?: RunOptions;
  /** Words in front of bin/davit. */
  through?: string[];
  /** Another copy of bin/davit. */
  davit?: string;
  change?: () => void;
  undo?: () => void;
  /** What comes after the change instead of `run` and `through`. */
  later?: Pick<Change, 'run' | 'through'>;
  /** The change is one that a payload sees: a test of the test. */
  shows?: boolean;
}

/** A launch as `how` says. */
export function launch(
  world: World,
  { through = [], run = {}, davit = davitPath }: Pick<Change, 'run' | 'through' | 'davit'>,
  args: string[],
  more: RunOptions['env'] = {},
): Promise<Outcome> {
  const [program, ...words] = [...through, davit, ...args];
  const env = { DAVIT_CONFIG_FILE: world.path('davit.conf'), ...run.env, ...more };
  return world.command(program as string, words, { ...run, env });
}

/** Namespaces of the host; linux/proc_ns.h numbers them from here, all others behind them. */
const FIRST_NAMESPACE = 0xeffffff8;
const LAST_OF_HOST = FIRST_NAMESPACE + 31;

/** An outcome without what is another one at each launch: the numbers of namespaces that were made for it. */
export function seen({ status, stdout, stderr }: Outcome): Pick<Outcome, 'status' | 'stdout' | 'stderr'> {
  const shown = stdout.replace(/^(\w+):\[(\d+)\]$/gm, (line, name, number) =>
    Number(number) >= FIRST_NAMESPACE && Number(number) <= LAST_OF_HOST ? line : `${name}: its own`,
  );
  return { status, stdout: shown, stderr };
}

/** Remembers a launch, changes something, and compares two launches with what they are without the plan cache. */
export async function checkChange(world: World, item: Change): Promise<void> {
  const args = ['exec', ...(item.options ?? []), item.image ?? world.image(), 'sh', '-c', PROBE];
  const before = seen(await launch(world, item, args));
  const remembered = await launch(world, item, args, { DAVIT_NODE: NO_NODE });
  expect(seen(remembered), 'remembered before the change').toEqual(before);
  const later = { ...item, ...item.later };
  item.change?.();
  try {
    const truth = seen(await launch(world, later, args, { DAVIT_PLAN_CACHE: 'off' }));
    expect(seen(await launch(world, later, args)), 'the first launch after the change').toEqual(truth);
    expect(seen(await launch(world, later, args)), 'the second one').toEqual(truth);
    if (item.shows) expect(truth).not.toEqual(before);
  } finally {
    item.undo?.();
  }
  if (item.undo || item.later) expect(seen(await launch(world, item, args)), 'after it was undone').toEqual(before);
}

/** Makes what is changed (`more`: what else), and waits until it is old enough to be relied upon. */
export async function lay(world: World, more: () => void = () => {}): Promise<void> {
  world.image();
  world.write('davit.conf', 'plan cache = yes\n');
  world.write('bound/one', 'one\n');
  world.write('bound2/two', 'two\n');
  world.write('bound-file', 'text\n');
  symlinkSync('bound', world.path('bound-link'));
  for (const name of ['cwd1', 'cwd2']) world.write(`${name}/sub/${name}`, `${name}\n`);
  symlinkSync('cwd1', world.path('cwd-link'));
  world.makeDirectory('overlay/upper/srv/site');
  world.makeDirectory('overlay/work');
  world.makeDirectory('scratch');
  world.write('some.env', 'X=1\n');
  world.write('asks.env', 'X=$ASKED\n');
  world.write('resolv.conf', 'nameserver 192.0.2.1\n');
  world.write('passwd', 'root:x:0:0:somebody else:/elsewhere:/bin/ash\n');
  layOutBusybox(world.makeDirectory('sandbox'));
  more();
  await sleep(SETTLED_MS);
}
