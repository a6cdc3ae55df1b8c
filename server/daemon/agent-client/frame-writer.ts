/** Writes one disk of a restore through a data connection. */
import type { Socket } from 'node:net';

import { frameHeader, messageFrame } from '../../base/frames.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { frameEncoding, frameType, maxFrameBytes } from '../../protocol/data.ts';
import type { WriteRequest } from '../../protocol/data.ts';
import type { DataWriter } from './data-connection.ts';

/** What the connection wants to know of its writer. */
export interface WriterEvents {
  /** The writer begins to wait for the agent. */
  waiting(): void;
  /** The write is over, well or badly. */
  ended(): void;
}

/** See `DataWriter`. */
export class FrameWriter implements DataWriter {
  readonly request: number;
  readonly #socket: Socket;
  readonly #events: WriterEvents;
  readonly #done = Promise.withResolvers<void>();
  #failure: TidemarkError | undefined;
  #waitingFor = 0;
  #finishing = false;

  constructor(socket: Socket, request: number, write: WriteRequest, events: WriterEvents) {
    this.request = request;
    this.#socket = socket;
    this.#events = events;
    // Whoever only writes learns of a failure from `write`; nobody may be waiting for the end yet.
    this.#done.promise.catch(() => undefined);
    socket.write(messageFrame(frameType.write, request, write));
  }

  /** Whether the agent is being waited for. */
  get waiting(): boolean {
    return this.#waitingFor > 0;
  }

  async write(offset: number, chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#finishing || chunk.length === 0 || chunk.length > maxFrameBytes) {
      throw new TidemarkError(errorCodes.internal, `A chunk of ${chunk.length} bytes cannot be written now.`);
    }
    const sizes = { rawBytes: chunk.length, storedBytes: chunk.length };
    const header = { type: frameType.data, encoding: frameEncoding.raw, request: this.request, offset, ...sizes };
    const sent = Promise.withResolvers<void>();
    this.#socket.cork();
    this.#socket.write(frameHeader(header));
    this.#socket.write(chunk, (error) => {
      if (error === null || error === undefined) sent.resolve();
      else sent.reject(error);
    });
    this.#socket.uncork();
    await this.#wait(sent.promise);
  }

  async finish(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#finishing = true;
    this.#socket.write(messageFrame(frameType.end, this.request));
    await this.#wait(this.#done.promise);
  }

  /** The agent has made everything durable. An answer before `finish` is a lie. */
  complete(): void {
    if (!this.#finishing) {
      this.fail(
        new TidemarkError(errorCodes.agentProtocolViolation, 'The agent ended a restore that was not complete.', {
          hint: 'Check that agent and daemon have matching versions.',
        }),
      );
      this.#socket.destroy();
      return;
    }
    this.#events.ended();
    this.#done.resolve();
  }

  /** The agent reported an error, or the connection is gone; the first one counts. */
  fail(error: TidemarkError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    // After its `failed` the agent drops what was on its way, up to the `end`.
    if (!this.#finishing && !this.#socket.destroyed) this.#socket.write(messageFrame(frameType.end, this.request));
    this.#events.ended();
    this.#done.reject(error);
  }

  /** Waits for `sent`, or for the failure that makes it pointless. A chunk is not free before the socket let go of it. */
  async #wait(sent: Promise<void>): Promise<void> {
    this.#waitingFor += 1;
    this.#events.waiting();
    try {
      await sent;
    } catch (error) {
      // The socket's own error comes a moment later through the connection, with a better text.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      throw (
        this.#failure ??
        new TidemarkError(errorCodes.agentConnectionLost, 'The connection to the agent was lost.', { cause: error })
      );
    } finally {
      this.#waitingFor -= 1;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
