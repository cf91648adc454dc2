/** What tests of libraries ask davit through. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect } from 'vitest';
import { LibraryServer } from './library';
import type { Outcome, World } from './world';

/** The one token that the library takes. */
export const TOKEN = 'right-token';

/** An image that tests put there, or ask for. */
export const BUSYBOX = 'tools/demo/busybox';

/** An empty library for every test of a file. */
export function withLibrary(): () => LibraryServer {
  let library: LibraryServer;
  beforeEach(async () => {
    library = await new LibraryServer().start();
  });
  afterEach(() => library.stop());
  return () => library;
}

/** davit with a list of endpoints of its own, in which the library is the active one. */
export class LibraryClient {
  private static count = 0;
  readonly config: string;
  readonly env: Record<string, string>;

  constructor(private readonly world: World) {
    LibraryClient.count += 1;
    this.config = world.makeDirectory(`config-${LibraryClient.count}`);
    this.env = { DAVIT_CONFIGDIR: this.config, DAVIT_CACHEDIR: world.makeDirectory(`cache-${LibraryClient.count}`) };
  }

  run(...args: string[]): Promise<Outcome> {
    return this.world.davitWith({ env: this.env }, ...args);
  }

  async ok(...args: string[]): Promise<Outcome> {
    const result = await this.run(...args);
    expect(result, `davit ${args.join(' ')}`).toMatchObject({ code: 0 });
    return result;
  }

  async use(server: LibraryServer): Promise<this> {
    await this.ok('remote', 'add', '--no-login', '--insecure', 'site', `http://${server.host}`);
    return this;
  }

  async login(): Promise<this> {
    await this.ok('remote', 'login', '--tokenfile', this.world.write('token', `${TOKEN}\n`));
    return this;
  }

  get yaml(): string {
    return readFileSync(`${this.config}/remote.yaml`, 'utf8');
  }
}
