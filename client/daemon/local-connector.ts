/** Connects to the daemon of a data directory on this machine, and starts it when none runs. */
import { setTimeout as sleep } from 'node:timers/promises';

import { tryFileLock } from '../../server/base/file-lock.ts';
import { readRendezvous, rendezvousPaths } from '../../server/base/rendezvous.ts';
import { connectDaemon } from '../../server/connect/index.ts';
import type { DaemonClient, StartCommand } from '../../server/connect/index.ts';
import * as daemon from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { ConnectAttempt, Connected, Connector } from './connector.ts';
import { stoppedError, versionError } from './connection-errors.ts';
import { compareVersions } from './versions.ts';

export interface LocalOptions {
  readonly dataDirectory: string;
  /** This extension's version; its own daemon's too. */
  readonly version: string;
  /** Finds a Node and puts the daemon's copy in place: how to start it. */
  readonly prepare: (attempt: ConnectAttempt) => Promise<StartCommand>;
  /** After a daemon was started from what `prepare` gave. */
  readonly onStarted: () => void;
}

const pollMs = 50;

export class LocalConnector implements Connector {
  readonly canStart = true;
  readonly #options: LocalOptions;

  constructor(options: LocalOptions) {
    this.#options = options;
  }

  async connect(attempt: ConnectAttempt): Promise<Connected> {
    const running = await this.#join(attempt.signal);
    if (running !== undefined) return this.#withVersion(running, attempt);
    if (!attempt.mayStart) throw stoppedError();
    return { client: await this.#start(attempt) };
  }

  async gone(instance: string, signal: AbortSignal): Promise<void> {
    while (await this.#holds(instance)) await sleep(pollMs, undefined, { signal });
  }

  /** The client of a daemon that runs; undefined when none does. */
  async #join(signal: AbortSignal): Promise<DaemonClient | undefined> {
    try {
      return await connectDaemon({ ...this.#identity(), signal });
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.daemonNotRunning)) return undefined;
      if (TidemarkError.is(error, errorCodes.daemonVersionMismatch)) throw await this.#skew(error);
      throw error;
    }
  }

  /** `TM5003`, with which side to update. A daemon that does not speak our protocol cannot be asked to make room, and is never killed. */
  async #skew(cause: TidemarkError): Promise<TidemarkError> {
    const { dataDirectory, version } = this.#options;
    const found = await readRendezvous(dataDirectory);
    return found === undefined ? cause : versionError(found.rendezvous.version, version, cause);
  }

  async #start(attempt: ConnectAttempt): Promise<DaemonClient> {
    const start = await this.#options.prepare(attempt);
    attempt.onStep('starting');
    const client = await connectDaemon({ ...this.#identity(), start, signal: attempt.signal });
    this.#options.onStarted();
    return client;
  }

  /** An idle daemon that is older than this extension makes room for its own; a busy one is kept, and so is a newer one. */
  async #withVersion(client: DaemonClient, attempt: ConnectAttempt): Promise<Connected> {
    const { daemonVersion } = client;
    const order = compareVersions(daemonVersion, this.#options.version);
    if (order === 0) return { client };
    if (order > 0) return { client, note: { kind: 'newer-daemon', daemonVersion } };
    const { activeRuns } = await client.request(daemon.getDaemonStatus, {}, { signal: attempt.signal });
    const kept: Connected = { client, note: { kind: 'older-daemon', daemonVersion, activeRuns } };
    if (activeRuns > 0 || !attempt.mayStart) return kept;
    // Everything that the new one needs is there before the old one is asked to go.
    await this.#options.prepare(attempt);
    try {
      await client.request(daemon.stopDaemon, { cancelRuns: false }, { signal: attempt.signal });
    } catch (error) {
      // A run began meanwhile.
      if (TidemarkError.is(error, errorCodes.daemonBusy)) return kept;
      // Another window was faster: it is gone already.
      if (!TidemarkError.is(error, errorCodes.daemonNotRunning)) throw error;
    }
    await this.gone(client.instance, attempt.signal);
    await client.close();
    return { client: await this.#start(attempt) };
  }

  /** Whether the daemon process `instance` still holds the data directory. */
  async #holds(instance: string): Promise<boolean> {
    const { dataDirectory } = this.#options;
    const lock = tryFileLock(rendezvousPaths(dataDirectory).lock);
    lock?.release();
    if (lock !== undefined) return false;
    const found = await readRendezvous(dataDirectory);
    return found === undefined || found.rendezvous.instance === instance;
  }

  #identity(): { readonly dataDirectory: string; readonly client: string } {
    return { dataDirectory: this.#options.dataDirectory, client: `tidemark-vscode ${this.#options.version}` };
  }
}
