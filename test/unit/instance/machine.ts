/** A directory that looks like /proc, and control groups beside it: made up, so that every case can be had. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface MadeProcess {
  pid: number;
  parent?: number;
  /** PID namespace. */
  namespace?: string;
  name?: string;
  state?: string;
  /** PF_… of the kernel. */
  flags?: number;
  /** utime, stime, cutime, cstime. */
  ticks?: [number, number, number, number];
  threads?: number;
  startTime?: number;
  /** Further files, such as io. */
  files?: Record<string, string>;
}

export class MadeMachine {
  readonly directory = mkdtempSync(join(tmpdir(), 'davit-proc-'));
  readonly proc = join(this.directory, 'proc');
  readonly groups = join(this.directory, 'groups');

  constructor() {
    onTestFinished(() => rmSync(this.directory, { recursive: true, force: true }));
    this.write('proc/meminfo', 'MemTotal:       1000000 kB\nHugepagesize:       2048 kB\n');
    this.process({ pid: 900, namespace: 'host', files: { cgroup: '0::/shell\n' } });
    symlinkSync('900', join(this.proc, 'self'));
    this.write('proc/900/mountinfo', `30 20 0:26 / ${this.groups} rw shared:4 - cgroup2 cgroup2 rw\n`);
  }

  write(name: string, text: string): void {
    const path = join(this.directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** Writes several files below a directory. */
  writeAll(directory: string, files: Record<string, string>): void {
    for (const [name, text] of Object.entries(files)) this.write(`${directory}/${name}`, text);
  }

  process(made: MadeProcess): void {
    const {
      pid,
      parent = 1,
      namespace = 'instance',
      name = 'it',
      state = 'S',
      flags = 0,
      threads = 1,
      startTime = 77,
    } = made;
    const [user, system, childUser, childSystem] = made.ticks ?? [0, 0, 0, 0];
    const stat = [
      ...[`${pid} (${name})`, state, parent, 1, 1, 0, -1, flags, 0, 0, 0, 0],
      ...[user, system, childUser, childSystem, 20, 0, threads, 0, startTime, 4096, 100],
    ];
    this.write(`proc/${pid}/stat`, `${stat.join(' ')}\n`);
    this.writeAll(`proc/${pid}`, made.files ?? {});
    // A namespace is told by the inode that its link leads to.
    this.write(`namespaces/${namespace}`, '');
    mkdirSync(join(this.proc, `${pid}/ns`), { recursive: true });
    rmSync(join(this.proc, `${pid}/ns/pid`), { force: true });
    symlinkSync(join(this.directory, 'namespaces', namespace), join(this.proc, `${pid}/ns/pid`));
  }

  end(pid: number): void {
    rmSync(join(this.proc, String(pid)), { recursive: true });
  }
}

/** smaps_rollup of a process with shares of these sizes in KiB. */
export function rollup(anon: number, file: number, shmem = 0, hugepages = 0): string {
  return [
    '5599af20a000-7ffe23563000 ---p 00000000 00:00 0                          [rollup]',
    `Rss:                ${(anon + file + shmem) * 3} kB`,
    `Pss:                ${anon + file + shmem} kB`,
    `Pss_Dirty:          ${anon} kB`,
    `Pss_Anon:           ${anon} kB`,
    `Pss_File:           ${file} kB`,
    `Pss_Shmem:          ${shmem} kB`,
    'Shared_Hugetlb:        0 kB',
    `Private_Hugetlb:    ${hugepages} kB`,
    'SwapPss:             4 kB',
    '',
  ].join('\n');
}

export function io(readBytes: number, writtenBytes: number): string {
  return `rchar: 1\nwchar: 2\nread_bytes: ${readBytes}\nwrite_bytes: ${writtenBytes}\ncancelled_write_bytes: 9\n`;
}
