/** A connection to somebody who is not trusted to stop sending. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** As the socket that it is made from, which must be connected, until more than `maxBytes` came: then both end, and `onFlood` is called. */
export class BoundedSocket extends Duplex {
  readonly #inner: Socket;
  #leftBytes: number;

  constructor(inner: Socket, maxBytes: number, onFlood: () => void) {
    super();
    this.#inner = inner;
    this.#leftBytes = maxBytes;
    inner.on('error', (error) => this.destroy(error));
    inner.once('close', () => this.destroy());
    inner.once('end', () => this.push(null));
    inner.on('data', (chunk: Buffer) => {
      this.#leftBytes -= chunk.length;
      if (this.#leftBytes < 0) {
        onFlood();
        this.destroy();
      } else if (!this.push(chunk)) inner.pause();
    });
    inner.pause();
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#inner.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inner.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner.destroy();
    // Why TLS ends the connection is told before that it has ended.
    setImmediate(() => done(error));
  }

  /** What nodemailer calls of a socket besides. Who uses it has a deadline of its own. */
  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    this.#inner.setKeepAlive();
    return this;
  }

  setNoDelay(): this {
    this.#inner.setNoDelay();
    return this;
  }
}
