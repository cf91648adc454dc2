/** Registries of our own on free ports of the loopback interface: Debian's docker-registry, and what is pushed to it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type Certificates, makeCertificates } from './certificates';
import { eventually } from './patience';
import { freePort } from './ports';

export const USER = 'tester';
export const PASSWORD = 'secret';
/** htpasswd(1) -B: USER with PASSWORD. */
const HTPASSWD = `${USER}:$2b$04$KGRYhvNXxkc0DNTec.NXTOe1kDNxsdIMd3WcGvQzpjbGlX5ahptzG\n`;

export interface RegistryOptions {
  tls?: Certificates;
  /** It shares nothing with the others of its room. */
  apart?: boolean;
  /** Asks for USER and PASSWORD. */
  htpasswd?: boolean;
  /** A token service to name; what it signs must be verifiable by these certificates. */
  token?: { realm: string; service: string; issuer: string; certificates: string };
}

/** One process of docker-registry. */
export class RegistryServer {
  private constructor(
    readonly port: number,
    private readonly process: ChildProcess,
    private readonly logFile: string,
  ) {}

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** @param directory where it keeps its files; registries may share what they store in it */
  static async start(directory: string, options: RegistryOptions = {}): Promise<RegistryServer> {
    const port = await freePort();
    const logFile = join(directory, `log-${port}`);
    const log = openSync(logFile, 'w');
    const path = join(directory, `config-${port}.json`);
    writeFileSync(path, JSON.stringify(configuration(directory, port, options)));
    const env = { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: 'none' };
    const child = spawn('docker-registry', ['serve', path], { cwd: directory, env, stdio: ['ignore', log, log] });
    closeSync(log);
    const server = new RegistryServer(port, child, logFile);
    await server.ready(options.tls !== undefined);
    return server;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((done) => this.process.once('exit', done));
    this.process.kill('SIGKILL');
    await ended;
  }

  private async ready(tls: boolean): Promise<void> {
    const { connect } = await import('node:net');
    const answers = (): Promise<void> =>
      new Promise((done, fail) => {
        const socket = connect(this.port, '127.0.0.1', () => {
          socket.destroy();
          done();
        }).once('error', fail);
      });
    await eventually(answers).catch((cause) => {
      throw new Error(`docker-registry (${tls ? 'https' : 'http'}): ${readFileSync(this.logFile, 'utf8')}`, { cause });
    });
  }
}

function configuration(directory: string, port: number, options: RegistryOptions): object {
  const { apart, tls, htpasswd, token } = options;
  const write = (name: string, text: string): string => {
    const path = join(directory, `${name}-${port}`);
    writeFileSync(path, text);
    return path;
  };
  return {
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(directory, apart ? `data-${port}` : 'data') } },
    http: {
      addr: `127.0.0.1:${port}`,
      ...(tls ? { tls: { certificate: write('cert', tls.cert), key: write('key', tls.key) } } : undefined),
    },
    ...(htpasswd ? { auth: { htpasswd: { realm: 'test', path: write('htpasswd', HTPASSWD) } } } : undefined),
    ...(token ? { auth: { token: { ...token, certificates: undefined, rootcertbundle: token.certificates } } } : {}),
  };
}

/** A directory for registries and images, outside of every world, and the registries in it. */
export class RegistryRoom {
  readonly directory = mkdtempSync('/tmp/davit-registry-');
  readonly authority = makeCertificates(this.directory);
  private readonly servers: RegistryServer[] = [];
  private readonly closers: (() => unknown)[] = [];

  /** Registries of one room have the same content, and different doors. */
  async start(options: RegistryOptions = {}): Promise<RegistryServer> {
    const server = await RegistryServer.start(this.directory, options);
    this.servers.push(server);
    return server;
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** `skopeo copy`: between registries, layouts and archives. */
  copy(from: string, to: string, ...options: string[]): void {
    const args = ['copy', '--quiet', '--insecure-policy', '--src-tls-verify=false', '--dest-tls-verify=false'];
    this.command('skopeo', [...args, ...options, from, to]);
  }

  /** Pushes an image of the layout that makeLayout() has made. */
  push(layout: string, server: RegistryServer, name: string, ...options: string[]): void {
    this.copy(`oci:${layout}`, `docker://${server.host}/${name}`, '--dest-creds', `${USER}:${PASSWORD}`, ...options);
  }

  command(program: string, args: string[]): string {
    const env = { PATH: `${process.env.PATH}:/usr/sbin`, HOME: this.directory, XDG_RUNTIME_DIR: this.directory };
    return execFileSync(program, args, {
      cwd: this.directory,
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** For what else has to end with the room. */
  onClose(action: () => unknown): void {
    this.closers.push(action);
  }

  async close(): Promise<void> {
    for (const action of this.closers) await action();
    for (const server of this.servers) await server.stop();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Makes a room before the tests of a block, and clears it behind them. @returns what gives it to the tests */
export function useRoom(prepare: (room: RegistryRoom) => Promise<void> | void = () => undefined): () => RegistryRoom {
  let room: RegistryRoom | undefined;
  beforeAll(async () => {
    room = new RegistryRoom();
    await prepare(room);
  });
  afterAll(async () => await room?.close());
  return () => {
    if (room === undefined) throw new Error('the room exists only while tests run');
    return room;
  };
}

export interface ImageParts {
  /** Directories below the room's; each becomes a layer. */
  layers: string[];
  /** Words for `umoci config`, such as `--config.env=A=b`. */
  config?: string[];
}

/**
 * An OCI image layout with one image, made by umoci.
 * @returns `DIRECTORY:TAG`, as skopeo names it
 */
export function makeLayout(room: RegistryRoom, name: string, { layers, config = [] }: ImageParts): string {
  const layout = room.path(name);
  const image = `${layout}:it`;
  room.command('umoci', ['init', '--layout', layout]);
  room.command('umoci', ['new', '--image', image]);
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  for (const layer of layers) room.command('umoci', ['insert', ...rootless, '--image', image, room.path(layer), '/']);
  if (config.length > 0) room.command('umoci', ['config', '--image', image, ...config]);
  room.command('umoci', ['gc', '--layout', layout]);
  return image;
}

/** A directory of the room with these files. */
export function makeTree(room: RegistryRoom, name: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    const target = room.path(name, path);
    mkdirSync(join(target, '..'), { recursive: true });
    writeFileSync(target, text);
  }
  return name;
}
