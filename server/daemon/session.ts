/** One authenticated client connection. */
import type { Socket } from 'node:net';

import type { Logger } from '../base/log.ts';
import { handleRequest, messageConnection } from '../base/json-rpc.ts';
import * as protocol from '../protocol/daemon.ts';
import { maxClientMessageBytes } from '../protocol/daemon-handshake.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RequestMessage } from '../protocol/message.ts';
import type { Parsed } from '../protocol/parse.ts';
import { InventoryFeed } from './inventory-feed.ts';
import { RunFeed } from './run-feed.ts';

/** Requests of one client that are worked on, or whose answers it has not read, at a time; more wait unread in its socket. */
const maxRequests = 64;

/** What a session needs to know of its daemon. */
export interface SessionOptions {
  readonly version: string;
  readonly instance: string;
  /** Range of protocols this daemon speaks. */
  readonly protocol: { readonly min: number; readonly max: number };
  readonly log: Logger;
}

/** Why a daemon stops. */
export type StopReason = Parsed<typeof protocol.daemonWillStop.params>['reason'];

/** Registers the answer to a request; requests before `hello` are refused. */
export type Register = <P, R>(
  message: RequestMessage<P, R>,
  handler: (params: P, signal: AbortSignal) => Promise<R> | R,
) => void;

/** A connection with a client that has proved itself. */
export class Session {
  readonly feed: RunFeed;
  readonly inventory: InventoryFeed;
  /** Aborted when the connection is gone. */
  readonly closed: AbortSignal;
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #connection: ReturnType<typeof messageConnection>;
  readonly #lifetime = new AbortController();
  #greeted = false;

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.closed = this.#lifetime.signal;
    this.#connection = messageConnection(socket, maxClientMessageBytes, maxRequests);
    this.feed = new RunFeed(
      async (run) => this.#connection.sendNotification(protocol.runDidChange.method, { run }),
      () => {
        options.log.log('warning', 'A client that does not read what it subscribed to is disconnected');
        socket.destroy();
      },
    );
    this.inventory = new InventoryFeed(async (change) =>
      this.#connection.sendNotification(protocol.inventoryDidChange.method, change),
    );
    this.#connection.onClose(() => {
      this.feed.close();
      this.inventory.close();
      this.#lifetime.abort();
      this.#connection.dispose();
    });
  }

  /** Registers the requests with `register` and begins to read. */
  serve(register: (register: Register) => void): void {
    handleRequest(this.#connection, protocol.hello, (params) => this.#hello(params));
    register((message, handler) => {
      handleRequest(this.#connection, message, async (params, signal) => {
        if (!this.#greeted) {
          throw new TidemarkError(errorCodes.daemonVersionMismatch, 'The client did not say hello first.');
        }
        return handler(params, AbortSignal.any([signal, this.closed]));
      });
    });
    this.#connection.listen();
  }

  /** Tells the client that the daemon begins to stop, so that it need not wait for the end of the connection. */
  willStop(reason: StopReason): void {
    // A client whose socket is gone already learns the same from that.
    if (this.#greeted)
      this.#connection.sendNotification(protocol.daemonWillStop.method, { reason }).catch(() => undefined);
  }

  /** Lets what is written reach the client, for a moment, then ends the connection. */
  async end(): Promise<void> {
    if (this.#socket.closed) return;
    const done = Promise.withResolvers<void>();
    this.#socket.once('close', done.resolve);
    const timer = setTimeout(() => this.#socket.destroy(), 500);
    this.#socket.end(() => this.#socket.destroy());
    await done.promise;
    clearTimeout(timer);
  }

  #hello(params: { readonly protocol: { readonly min: number; readonly max: number }; readonly client: string }): {
    readonly protocol: number;
    readonly daemonVersion: string;
    readonly instance: string;
  } {
    const { protocol: own, version, instance, log } = this.#options;
    const highest = Math.min(own.max, params.protocol.max);
    if (highest < Math.max(own.min, params.protocol.min)) {
      const clientIsOlder = params.protocol.max < own.min;
      throw new TidemarkError(
        errorCodes.daemonVersionMismatch,
        `The daemon (${version}, protocol ${own.min} to ${own.max}) and this program (protocol ${params.protocol.min} to ${params.protocol.max}) do not understand each other.`,
        {
          hint: clientIsOlder
            ? 'Update this program; the daemon is newer.'
            : 'When no run is active, stop the daemon with its own version and let this one start.',
        },
      );
    }
    this.#greeted = true;
    log.log('debug', `Client connected: ${params.client}, protocol ${highest}`);
    return { protocol: highest, daemonVersion: version, instance };
  }
}
