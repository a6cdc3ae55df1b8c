/** Servers of tests: on free ports, reading whole requests. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:net';
import type { Readable } from 'node:stream';

/** The port that a server listens on. */
export function portOf(server: Pick<Server, 'address'>): number {
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  return address.port;
}

/** Listens on a free port of this machine. */
export async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  return portOf(server);
}

/** Calls `done` with everything that a stream gave, in an encoding. */
export function whole(stream: Readable, encoding: BufferEncoding, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => done(Buffer.concat(chunks).toString(encoding)));
}
