/** Servers in front of a registry that do what networks and busy registries do. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** Answers by itself and returns true, or leaves the request to the registry. */
export type Unruly = (request: IncomingMessage, response: ServerResponse) => boolean | undefined;

export interface Front {
  host: string;
  url: string;
  requests: IncomingMessage[];
  /** Of requests for blobs with a certain header. */
  blobRequests(): IncomingMessage[];
  close(): void;
}

/**
 * Passes requests on to a registry.
 * @param cutAfterBytes answers end, with their connection, when so many bytes were sent; asked for each answer
 */
export async function startFront(
  target: string,
  unruly: Unruly = () => false,
  cutAfterBytes: (request: IncomingMessage) => number = () => Number.POSITIVE_INFINITY,
): Promise<Front> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    if (unruly(request, response)) return;
    const [host, port] = target.split(':');
    const options = { host, port, path: request.url, method: request.method, headers: request.headers };
    const passed = httpRequest(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      let left = cutAfterBytes(request);
      answer.on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, Math.min(left, chunk.length));
        left -= chunk.length;
        if (left > 0) {
          response.write(part);
          return;
        }
        answer.destroy();
        response.write(part, () => response.destroy());
      });
      answer.on('end', () => response.end());
      answer.on('error', () => undefined);
    });
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}`,
    requests,
    blobRequests: () => requests.filter(({ method, url }) => method === 'GET' && url?.includes('/blobs/')),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An HTTP proxy that leads every host to the server that `route` names; tunnels to none are refused. */
export async function startProxy(
  route: (host: string, tunnel: boolean) => string | undefined,
): Promise<{ url: string; asked: string[]; close(): void }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const url = new URL(request.url ?? '');
    const [host, port] = (route(url.host, false) ?? '').split(':');
    const options = { host, port, path: url.pathname + url.search, method: request.method, headers: request.headers };
    const passed = httpRequest(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    request.pipe(passed);
  });
  const sockets = new Set<Socket>();
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    sockets.add(socket);
    socket.on('error', () => undefined);
    const target = route(request.url ?? '', true);
    if (target === undefined) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const [host, port] = target.split(':');
    const upstream = connect(Number(port), host as string, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    return undefined;
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}
