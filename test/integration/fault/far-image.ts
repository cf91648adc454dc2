/** An image on a file system that can be made to hang and to go on again, as a network file system does. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from '../support/patience';
import { liveProcesses } from '../support/processes';
import { isAlive, type World } from '../support/world';

/**
 * A squashfs with the image in it, mounted by a FUSE server of the user's. The kernel keeps names and attributes, so
 * that the image can be found and looked at while the server is stopped, and hangs whoever opens it.
 */
export class FarImage {
  readonly path: string;
  readonly #directory: string;
  readonly #server: ChildProcess;

  private constructor(directory: string, server: ChildProcess) {
    this.#directory = directory;
    this.#server = server;
    this.path = join(directory, 'busybox.sif');
  }

  static async mount(world: World): Promise<FarImage> {
    const packed = world.path('far.squashfs');
    execFileSync('mksquashfs', [world.image(), packed, '-noappend', '-no-progress', '-quiet', '-noD']);
    const directory = world.makeDirectory('far');
    // Not in the world's environment, nor with its directory as argument: it is none of what davit leaves behind.
    const server = spawn('squashfuse_ll', ['-f', packed, directory], { stdio: 'ignore' });
    const far = new FarImage(directory, server);
    await eventually(() => expect(far.#mounted()).toBe(true));
    return far;
  }

  get serverPid(): number {
    return this.#server.pid as number;
  }

  /** A request that the server has read already could not be given up, not even by SIGKILL: it reads none from now on. */
  async hang(): Promise<void> {
    this.#server.kill('SIGSTOP');
    const state = (): string | undefined => liveProcesses().find(({ pid }) => pid === this.serverPid)?.state;
    await eventually(() => expect(state()).toBe('T'));
  }

  goOn(): void {
    this.#server.kill('SIGCONT');
  }

  async unmount(): Promise<void> {
    this.goOn();
    execFileSync('fusermount3', ['-u', '-z', this.#directory]);
    // Mount namespaces that others made meanwhile have copies of the mount.
    this.#server.kill('SIGKILL');
    await eventually(() => expect(isAlive(this.serverPid)).toBe(false));
    rmSync(this.#directory, { recursive: true });
  }

  #mounted(): boolean {
    return execFileSync('cat', ['/proc/self/mounts'], { encoding: 'utf8' }).includes(` ${this.#directory} `);
  }
}
