/**
 * Ties daemons to the test that they are for. Clients start them detached, several at once when they race, and one that comes up late
 * would serve for ever a data directory that nobody knows any more: it must not outlive its test, whoever started it.
 */
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';

const addressIn = (directory: string): string => join(directory, 'lifeline');

/** The test's end of the line. */
export class Lifeline {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true }, (socket) => {
    this.#sockets.add(socket);
    // A daemon that is killed may reset its connection; both are its end.
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.resume();
  });

  constructor(directory: string) {
    this.#server.listen(addressIn(directory));
    this.#server.unref();
  }

  /** Ends all daemons that hold on to it, and waits until they are gone. From now on none can begin. */
  async cut(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.end();
    await closed;
  }
}

/** In a daemon: ends this process when its test ends, or has ended already. */
export async function endWithTest(directory: string): Promise<void> {
  const socket = createConnection({ path: addressIn(directory) });
  socket.on('error', () => process.exit());
  await once(socket, 'connect');
  socket.once('end', () => process.exit());
  socket.resume();
  socket.unref();
}
