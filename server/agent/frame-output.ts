/** What an agent sends on a data connection: frames without copying payloads, memory that comes back when the socket is done with it. */
import type { Socket } from 'node:net';

import { messageFrame } from '../base/frames.ts';
import { frameType } from '../protocol/data.ts';
import type { FrameType } from '../protocol/data.ts';

/** The sending half of a data connection. */
export class FrameOutput {
  readonly #socket: Socket;
  readonly #quietMs: number;
  #lastSent = performance.now();

  /** `quietMs`: after this long without a frame an agent that is busy says that it lives (`wait`). */
  constructor(socket: Socket, quietMs: number) {
    this.#socket = socket;
    this.#quietMs = quietMs;
  }

  /** Sends buffers as one write. `done` is called when the socket needs none of them any more, also when it broke. */
  send(buffers: readonly Buffer[], done: () => void): void {
    this.#lastSent = performance.now();
    const last = buffers.length - 1;
    this.#socket.cork();
    buffers.forEach((buffer, index) => {
      if (index === last) this.#socket.write(buffer, done);
      else this.#socket.write(buffer);
    });
    this.#socket.uncork();
  }

  /** Sends a frame that is small. */
  message(type: FrameType, request: number, value?: unknown): void {
    this.#lastSent = performance.now();
    this.#socket.write(messageFrame(type, request, value));
  }

  /** Runs `work`; while it takes long without any frame, `wait` frames show that this agent lives. */
  async whileBusy(work: () => Promise<void>): Promise<void> {
    const quietMs = this.#quietMs;
    const timer = setInterval(() => {
      const quiet = performance.now() - this.#lastSent >= quietMs - 1;
      if (quiet && this.#socket.writableLength === 0) this.message(frameType.wait, 0);
    }, quietMs / 3);
    try {
      await work();
    } finally {
      clearInterval(timer);
    }
  }

  /** Resolves when the socket takes more, or when `signal` aborts. */
  async drained(signal: AbortSignal): Promise<void> {
    if (!this.#socket.writableNeedDrain || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#socket.on('drain', done);
      signal.addEventListener('abort', done);
    });
  }
}
