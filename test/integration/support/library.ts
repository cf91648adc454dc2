/**
 * A library server as Apptainer's client expects it: entities, collections, containers and images with tags for each
 * architecture, tokens, uploads to a storage of its own (version 2), search. Everything is in memory.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StoredImage {
  id: string;
  hash: string;
  description: string;
  /** `entity/collection/name`. */
  container: string;
  arch: string;
  content?: Buffer;
  signed: boolean;
}

interface Named {
  id: string;
  name: string;
}

export interface LibraryOptions {
  /** As `GET version` says it; an old server knows neither uploads of version 2 nor tags for architectures. */
  apiVersion?: string;
  /** The file itself is sent, instead of where it is stored. */
  direct?: boolean;
  /** Reading takes a token, too. */
  closed?: boolean;
}

type Answer = { status?: number; data?: unknown; raw?: unknown; location?: string; bytes?: Buffer };

const NOT_FOUND: Answer = { status: 404 };
const UNAUTHORIZED: Answer = { status: 401 };

export class LibraryServer {
  /** `METHOD path` of every request, and the token that came with it. */
  readonly log: { request: string; token?: string }[] = [];
  readonly tokens = new Map([['right-token', 'worker']]);
  readonly images: StoredImage[] = [];
  /** `container|arch|tag` → id of an image. */
  readonly tags = new Map<string, string>();
  private readonly places = new Map<string, Named>();
  private readonly uploads = new Map<string, StoredImage>();
  private readonly server: Server;
  /** Where the library answers; its files lie under another name, so that no token may go there. */
  host = '';
  private storageHost = '';

  constructor(private readonly options: LibraryOptions = {}) {
    this.server = createServer((request, response) => {
      this.answer(request)
        .then((answer) => this.send(request, response, answer))
        .catch((error) => response.destroy(error as Error));
    });
  }

  async start(port = 0): Promise<this> {
    await new Promise<void>((done) => this.server.listen(port, '127.0.0.1', done));
    const { port: chosen } = this.server.address() as AddressInfo;
    this.host = `localhost:${chosen}`;
    this.storageHost = `127.0.0.1:${chosen}`;
    return this;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Puts an image there, without asking anybody. */
  add(reference: string, arch: string, content: Buffer, signed = false): StoredImage {
    const [container = '', tag = 'latest'] = reference.split(':');
    const parts = container.split('/');
    for (let depth = 1; depth <= parts.length; depth++) this.place(parts.slice(0, depth).join('/'));
    const hash = `sha256.${createHash('sha256').update(content).digest('hex')}`;
    const image = { id: newId(), hash, description: '', container, arch, content, signed };
    this.images.push(image);
    this.tags.set(`${container}|${arch}|${tag}`, image.id);
    return image;
  }

  /** `METHOD path` of the requests since the last call. */
  requests(): string[] {
    return this.log.splice(0).map(({ request }) => request);
  }

  private place(path: string): Named {
    const known = this.places.get(path);
    if (known) return known;
    const made = { id: newId(), name: path };
    this.places.set(path, made);
    return made;
  }

  private async answer(request: IncomingMessage): Promise<Answer> {
    const { method = 'GET' } = request;
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1];
    this.log.push({ request: `${method} ${url.pathname}${url.search}`, ...(token === undefined ? {} : { token }) });
    if (url.pathname === '/assets/config/config.prod.json') return { raw: this.config() };
    if (url.pathname.startsWith('/storage/')) return this.storage(request, url.pathname.slice('/storage/'.length));
    const { apiVersion = '2.0.0-alpha.2' } = this.options;
    const path = url.pathname.replace(/^\/+/, '');
    if (path === 'version') return { data: { version: 'v1.7.2', apiVersion } };
    const known = token !== undefined && this.tokens.has(token);
    if (path === 'v1/token-status') return known ? { data: {} } : { status: 404 };
    if (token !== undefined && !known) return UNAUTHORIZED;
    if (path === 'v1/rbac/users/current') {
      return known
        ? { raw: { username: this.tokens.get(token), oidc_user_meta: { secret: 'oci-secret' } } }
        : UNAUTHORIZED;
    }
    if ((method !== 'GET' || this.options.closed) && !known) return UNAUTHORIZED;
    const body = method === 'GET' || path.startsWith('v1/imagefile') ? '' : (await readBody(request)).toString('utf8');
    if (method === 'GET') return this.read(path, url.searchParams);
    if (method === 'DELETE') return this.remove(path, url.searchParams.get('arch') ?? '');
    if (path.startsWith('v1/imagefile/')) return this.receive(path.slice('v1/imagefile/'.length), request);
    return this.write(`${method} ${path}`, JSON.parse(body === '' ? '{}' : body));
  }

  private config(): object {
    const uri = `http://${this.host}`;
    return { libraryAPI: { uri }, tokenAPI: { uri }, keystoreAPI: { uri: `${uri}/keys` } };
  }

  private read(path: string, query: URLSearchParams): Answer {
    const [, kind = '', rest = ''] = /^v[12]\/([a-z]+)\/?(.*)$/.exec(path) ?? [];
    if (kind === 'search') return { data: this.search(query) };
    if (kind === 'tags') return this.tagsOf(rest, path.startsWith('v2/'));
    if (['entities', 'collections', 'containers'].includes(kind)) {
      const place = this.places.get(rest);
      return place && rest.split('/').length === DEPTHS[kind] ? { data: this.describe(place) } : NOT_FOUND;
    }
    const image = this.find(rest, query.get('arch') ?? 'amd64');
    if (!image || (kind !== 'images' && kind !== 'imagefile')) return NOT_FOUND;
    if (kind === 'images') return { data: this.describeImage(image) };
    if (!image.content) return NOT_FOUND;
    if (this.options.direct) return { bytes: image.content };
    return { status: 303, location: `http://${this.storageHost}/storage/${image.id}` };
  }

  private write(route: string, body: Record<string, unknown>): Answer {
    const [, kind, id] = /^(?:POST|PUT) (v[12]\/[a-z]+)(?:\/(.*))?$/.exec(route) ?? [];
    if (kind === 'v1/entities') return { status: 201, data: this.describe(this.place(String(body.name))) };
    if (kind === 'v1/collections') return this.below(String(body.entity), String(body.name));
    if (kind === 'v1/containers') return this.below(String(body.collection), String(body.name));
    if (kind === 'v1/images') return this.newImage(body);
    if (kind === 'v1/tags') return this.tag(id ?? '', 'amd64', body);
    if (kind === 'v2/tags') return this.tag(id ?? '', String(body.Arch), body);
    if (kind !== 'v2/imagefile') return NOT_FOUND;
    const [imageId, step] = (id ?? '').split('/');
    const image = this.images.find((each) => each.id === imageId);
    if (!image) return NOT_FOUND;
    if (step === '_multipart') return NOT_FOUND;
    if (step === '_complete') {
      if (!image.content) return { status: 400 };
      const quota = { quotaTotal: 0, quotaUsage: image.content.length };
      return { data: { quota, containerUrl: `library/${image.container}` } };
    }
    if (image.hash !== `sha256.${body.sha256sum}` || typeof body.filesize !== 'number') return { status: 400 };
    const key = `upload-${newId()}`;
    this.uploads.set(key, image);
    return { data: { uploadURL: `http://${this.storageHost}/storage/${key}?signature=x` } };
  }

  /** Where files lie: addresses are secrets, and tokens have no business here. */
  private async storage(request: IncomingMessage, key: string): Promise<Answer> {
    if (request.headers.authorization !== undefined) return { status: 400 };
    if (request.method === 'GET') {
      const content = this.images.find(({ id }) => id === key)?.content;
      return content ? { bytes: content } : NOT_FOUND;
    }
    const image = this.uploads.get(key);
    return image ? await this.store(image, request) : NOT_FOUND;
  }

  private async receive(id: string, request: IncomingMessage): Promise<Answer> {
    const image = this.images.find((each) => each.id === id);
    return image ? await this.store(image, request) : NOT_FOUND;
  }

  private async store(image: StoredImage, request: IncomingMessage): Promise<Answer> {
    const content = await readBody(request);
    if (`sha256.${createHash('sha256').update(content).digest('hex')}` !== image.hash) return { status: 400 };
    image.content = content;
    return { data: {} };
  }

  private below(parentId: string, name: string): Answer {
    const parent = [...this.places.values()].find(({ id }) => id === parentId);
    return parent ? { status: 201, data: this.describe(this.place(`${parent.name}/${name}`)) } : NOT_FOUND;
  }

  private newImage({ hash, container, description }: Record<string, unknown>): Answer {
    const place = [...this.places.values()].find(({ id }) => id === container);
    if (!place) return NOT_FOUND;
    const facts = { hash: String(hash), description: String(description ?? ''), arch: 'amd64', signed: false };
    const image: StoredImage = { id: newId(), container: place.name, ...facts };
    this.images.push(image);
    return { status: 201, data: this.describeImage(image) };
  }

  private tag(id: string, arch: string, { Tag, ImageID }: Record<string, unknown>): Answer {
    const place = [...this.places.values()].find((each) => each.id === id);
    const image = this.images.find((each) => each.id === ImageID);
    if (!place || !image?.content) return NOT_FOUND;
    image.arch = arch;
    this.tags.set(`${place.name}|${arch}|${Tag}`, image.id);
    return { data: {} };
  }

  private tagsOf(id: string, byArch: boolean): Answer {
    const place = [...this.places.values()].find((each) => each.id === id);
    if (!place) return NOT_FOUND;
    const archTags = this.archTags(place.name);
    return { data: byArch ? archTags : Object.assign({}, ...Object.values(archTags)) };
  }

  private archTags(container: string): Record<string, Record<string, string>> {
    const all: Record<string, Record<string, string>> = {};
    for (const [key, id] of this.tags) {
      const [name, arch = '', tag = ''] = key.split('|');
      if (name === container) all[arch] = { ...all[arch], [tag]: id };
    }
    return all;
  }

  private find(reference: string, arch: string): StoredImage | undefined {
    const [container = '', tag = 'latest'] = reference.split(':');
    const id = this.tags.get(`${container}|${arch}|${tag}`);
    return this.images.find((image) => (id ? image.id === id : image.container === container && image.hash === tag));
  }

  private remove(path: string, arch: string): Answer {
    const [, container = '', tag = 'latest'] = /^v1\/images\/([^:]+)(?::(.*))?$/.exec(path) ?? [];
    return this.tags.delete(`${container}|${arch}|${tag}`) ? { data: {} } : NOT_FOUND;
  }

  private search(query: URLSearchParams): object {
    const value = query.get('value') ?? '';
    const matching = [...this.places.values()].filter(({ name }) => (name.split('/').at(-1) ?? '').includes(value));
    const ofDepth = (depth: number): object[] =>
      matching.filter(({ name }) => name.split('/').length === depth).map((place) => this.describe(place));
    const image = this.images
      .filter(({ container, arch }) => container.includes(value) && arch === (query.get('arch') ?? arch))
      .filter(({ signed }) => query.get('signed') !== 'true' || signed)
      .map((each) => this.describeImage(each));
    return { entity: ofDepth(1), collection: ofDepth(2), container: ofDepth(3), image };
  }

  private describe({ id, name: path }: Named): object {
    const [entityName, collectionName] = path.split('/');
    return { id, name: path.split('/').at(-1), entityName, collectionName, archTags: this.archTags(path) };
  }

  private describeImage(image: StoredImage): object {
    const [entityName, collectionName, containerName] = image.container.split('/');
    const { id, hash, arch, signed, content, description } = image;
    const tags = [...this.tags].filter(([, tagged]) => tagged === id).map(([key]) => key.split('|')[2]);
    const place = { entityName, collectionName, containerName, container: this.places.get(image.container)?.id };
    return { id, hash, arch, signed, description, tags, ...place, size: content?.length ?? 0, uploaded: !!content };
  }

  private send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
    const { status = 200, data, raw, location, bytes } = answer;
    if (bytes) sendBytes(request, response, bytes);
    else if (location) response.writeHead(status, { location }).end();
    else {
      const error = { code: status, message: status === 401 ? 'Unauthorized' : 'Not Found' };
      const body = raw ?? (status < 400 ? { data } : { error });
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }
  }
}

const DEPTHS: Record<string, number> = { entities: 1, collections: 2, containers: 3 };

function newId(): string {
  return randomBytes(12).toString('hex');
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `Range: bytes=FROM-[TO]`. */
function sendBytes({ headers }: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
  if (!range) {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    return;
  }
  const from = Number(range[1]);
  const to = Math.min(range[2] === '' ? Infinity : Number(range[2]), bytes.length - 1);
  const part = bytes.subarray(from, to + 1);
  const head = { 'content-length': part.length, 'content-range': `bytes ${from}-${to}/${bytes.length}` };
  response.writeHead(206, head).end(part);
}
