import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** A port of 127.0.0.1 that is free now; and later, too: nobody gets it who lets the kernel choose one. */
export async function freePort(): Promise<number> {
  const [chosenFrom = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number);
  for (let tries = 0; tries < 100 && chosenFrom > LOWEST; tries++) {
    const port = await listened(randomInt(LOWEST, chosenFrom)).catch(() => undefined);
    if (port !== undefined) return port;
  }
  return listened(0);
}

const LOWEST = 12_000;

/** That port, or with 0 any, after somebody has listened there. @throws where it is taken */
async function listened(port: number): Promise<number> {
  const listener = createServer();
  await new Promise<void>((done, fail) => listener.once('error', fail).listen(port, '127.0.0.1', done));
  const address = listener.address();
  await new Promise((done) => listener.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
