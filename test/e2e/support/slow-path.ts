/** A network that can be slowed down, between a daemon and the agent of a host: a run takes as long as a test needs. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export class SlowPath implements AsyncDisposable {
  /**
   * How fast the agent's answers come, in bytes a second for each connection; with 0 connections are taken and nothing ever comes.
   * May change at any time.
   */
  bytesPerSecond = Infinity;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** A path to a port of this machine. */
  static async to(port: number): Promise<SlowPath> {
    const server = createServer();
    const path = new SlowPath(server);
    server.on('connection', (near) => path.#join(near, connect(port, '127.0.0.1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return path;
  }

  /** The port to use in place of the agent's. */
  get port(): number {
    return addressOf(this.#server).port;
  }

  #join(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      // The end of one side is the end of the other, whatever ended it.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far);
    this.#carry(far, near).catch((error: unknown) => {
      near.destroy(error instanceof Error ? error : undefined);
    });
  }

  async #carry(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from) {
      if (!Buffer.isBuffer(chunk)) continue;
      while (this.bytesPerSecond === 0 && !to.destroyed) await sleep(50);
      const ms = (chunk.length / this.bytesPerSecond) * 1000;
      if (ms >= 1) await sleep(ms);
      if (to.destroyed) return;
      if (!to.write(chunk)) await once(to, 'drain');
    }
    to.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server does not listen on a port.');
  return address;
}
