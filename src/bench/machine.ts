/** Facts of the machine without which no measurement can be compared with another. */
import { readFileSync, realpathSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, userInfo } from 'node:os';

export interface Machine {
  kernel: string;
  distribution: string;
  arch: string;
  cpuModel: string;
  /** That this process may use. */
  cpus: number;
  /** Of the first processor; '' where the kernel does not say. */
  governor: string;
  virtual: boolean;
  memoryMib: number;
  node: string;
  davit: string;
  user: string;
  uid: number;
  /** Type of the file system of the state directory. */
  stateFileSystem: string;
  temporaryFileSystem: string;
  loadBefore: number;
  /** Set at the end. */
  loadAfter: number;
}

/**
 * @param davit its version
 * @param places directories whose file systems are named
 */
export function machineFacts(davit: string, places: { state: string; temporary: string }): Machine {
  const { username, uid } = userInfo();
  const info = readText('/proc/cpuinfo');
  return {
    kernel: release(),
    distribution: /^PRETTY_NAME="?([^"\n]*)/m.exec(readText('/etc/os-release'))?.[1] ?? '',
    arch: process.arch,
    cpuModel: cpus()[0]?.model.trim() ?? '',
    cpus: availableParallelism(),
    governor: readText('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor').trim(),
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(info),
    memoryMib: Math.round(totalmem() / 2 ** 20),
    node: process.version,
    davit,
    user: username,
    uid,
    stateFileSystem: fileSystemOf(places.state),
    temporaryFileSystem: fileSystemOf(places.temporary),
    loadBefore: load(),
    loadAfter: load(),
  };
}

/** Of the last minute. */
export function load(): number {
  return Math.round((loadavg()[0] as number) * 100) / 100;
}

/** The type of the file system on which a path lies, from the mount table; '' when it cannot be told. */
export function fileSystemOf(path: string, mountInfo = readText('/proc/self/mountinfo')): string {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    return '';
  }
  let [longest, type] = [-1, ''];
  for (const line of mountInfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const point = (before.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const above = point === '/' || real === point || real.startsWith(`${point}/`);
    // The later of two mounts on one place hides the earlier.
    if (point === '' || !above || point.length < longest) continue;
    [longest, type] = [point.length, after.split(' ')[0] ?? ''];
  }
  return type;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
