/** Finds the daemon of a data directory, starts it when asked to, and connects. */
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { proveAsClient } from '../base/mutual-proof.ts';
import { readRendezvous } from '../base/rendezvous.ts';
import { systemCode } from '../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { openDaemonClient } from './client.ts';
import type { DaemonClient } from './client.ts';
import { startDetached } from './start.ts';
import type { StartCommand, StartedDaemon } from './start.ts';

export type { StartCommand } from './start.ts';

/** Which daemon to connect to. */
export interface ConnectOptions {
  /** Absolute; see `resolveDataDirectory`. */
  readonly dataDirectory: string;
  /** Who connects, for the daemon's log: `tidemark-cli 0.1.0`. */
  readonly client: string;
  /** Starts a daemon when none runs; without it that is `TM5001`. */
  readonly start?: StartCommand | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Protocol versions to offer; this build's own when absent. */
  readonly protocol?: { readonly min: number; readonly max: number } | undefined;
}

const startTimeoutMs = 30_000;
const pollMs = 50;

/**
 * Connects to the daemon of a data directory. Throws `TM5001` when none runs and none may be started, `TM5002` when what
 * listens is not our daemon or refuses us, `TM5003` when no protocol version is common, `TM5004` when starting failed.
 */
export async function connectDaemon(options: ConnectOptions): Promise<DaemonClient> {
  const running = await tryConnect(options);
  if (running !== undefined) return running;
  if (options.start === undefined) {
    throw new TidemarkError(errorCodes.daemonNotRunning, `No daemon serves ${options.dataDirectory}.`, {
      hint: 'Start it with: tidemark daemon start',
    });
  }
  const started = await startDetached(options.dataDirectory, options.start);
  return waitFor(options, started);
}

async function waitFor(options: ConnectOptions, started: StartedDaemon): Promise<DaemonClient> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    throwIfAborted(options.signal);
    // Asked before connecting: a daemon that ended after a failed try may have lost to one that is up by now.
    const hopeless = await started.failed();
    const client = await tryConnect(options);
    if (client !== undefined) return client;
    if (hopeless || Date.now() >= deadline) throw await started.error();
    await sleep(pollMs);
  }
}

/** A connected client, or undefined when no daemon listens. */
async function tryConnect(options: ConnectOptions): Promise<DaemonClient | undefined> {
  let found = await readRendezvous(options.dataDirectory);
  for (;;) {
    if (found === undefined) return undefined;
    const socket = await connectSocket(found.rendezvous.address, options.signal);
    if (socket === undefined) {
      const again = await readRendezvous(options.dataDirectory);
      if (again === undefined || again.rendezvous.instance === found.rendezvous.instance) return undefined;
      found = again;
      continue;
    }
    // Before the proof: a daemon that ends just now closes instead of answering. That proves no stranger.
    let closedByPeer = false;
    for (const event of ['end', 'error']) socket.once(event, () => (closedByPeer = true));
    try {
      await proveAsClient(socket, found.token);
    } catch (error) {
      if (closedByPeer) return undefined;
      // A daemon that restarts replaces token and address one after the other: only an unchanged pair proves a stranger.
      const again = await readRendezvous(options.dataDirectory);
      if (again === undefined) return undefined;
      if (again.rendezvous.instance === found.rendezvous.instance && again.token.equals(found.token)) throw error;
      found = again;
      continue;
    }
    return openDaemonClient(socket, options);
  }
}

/** An open socket, or undefined when nobody listens there. */
async function connectSocket(address: string, signal: AbortSignal | undefined): Promise<Socket | undefined> {
  throwIfAborted(signal);
  const socket = createConnection({ path: address });
  const opened = Promise.withResolvers<Socket | undefined>();
  const onAbort = (): void => opened.reject(TidemarkError.from(signal?.reason));
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => opened.resolve(socket));
  socket.once('error', (error) => {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK' || code === 'EPIPE') {
      opened.resolve(undefined);
      return;
    }
    opened.reject(
      new TidemarkError(errorCodes.daemonNotRunning, `The daemon's address cannot be reached (${code ?? 'unknown'}).`, {
        hint: 'Stop the daemon and start it again.',
        cause: error,
      }),
    );
  });
  try {
    return await opened.promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
