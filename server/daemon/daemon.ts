/** Puts the parts of a daemon together, serves, and takes them apart in the right order. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { lineLogger } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import { rendezvousPaths } from '../base/rendezvous.ts';
import { daemonProtocol } from '../protocol/daemon.ts';
import { TidemarkError } from '../protocol/errors.ts';
import { acquireDaemonLock } from './daemon-lock.ts';
import { watchFolder } from './folder-watch.ts';
import { registerHandlers } from './handlers.ts';
import type { DaemonServices } from './handlers.ts';
import { watchIdle } from './idle-watch.ts';
import { listen } from './listener.ts';
import { openLogFile } from './log-file.ts';
import { listenForMetrics } from './metrics/listen.ts';
import type { MetricsAddress, MetricsListener } from './metrics/listen.ts';
import { listenRemotely } from './remote-listener.ts';
import type { RemoteAccess } from './remote-listener.ts';
import { recoverRuns } from './runs/recovery.ts';
import { SecretStore } from './secrets.ts';
import { buildServices } from './services.ts';
import type { DaemonParts } from './services.ts';
import { Session } from './session.ts';
import type { StopReason } from './session.ts';
import { openSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';

/** What a daemon needs. */
export interface DaemonOptions {
  /** Absolute; created when missing, readable by its owner only. */
  readonly dataDirectory: string;
  /** Version text of this build. */
  readonly version: string;
  /** Aborting it stops the daemon as SIGTERM does: runs are cancelled and clean up first, for a bounded time. */
  readonly signal: AbortSignal;
  /** Gets every line of the log file, without its end; for `tidemark daemon run` on a terminal. */
  readonly onLogLine?: ((line: string) => void) | undefined;
  /** Called once when clients can connect. */
  readonly onReady?: (() => void) | undefined;
  /** Offers metrics. When it is not `required` and cannot be, the daemon serves without. */
  readonly metrics?: { readonly address: MetricsAddress; readonly required: boolean } | undefined;
  /** Serves clients on other machines as well. */
  readonly remote?: RemoteAccess | undefined;
  /** Ends the daemon when for so long no client was connected, no run was active and no policy had a schedule, ms; absent: it stays. */
  readonly exitWhenIdleMs?: number | undefined;
  /** How often to look whether the data directory is still there, ms; 30 s when absent. */
  readonly folderLookMs?: number | undefined;
  /** How to start this program again: the executable and its first arguments, before the command. Needed for the simulator. */
  readonly program?: readonly string[] | undefined;
}

/** How long runs may clean up when the daemon stops. */
const stopTimeoutMs = 30_000;
const releaseTimeoutMs = 10_000;

/** Serves until stopped by a client or `signal`. Throws `TM5004` when another daemon serves the data directory or its state cannot be used. */
export async function serveDaemon(options: DaemonOptions, parts: DaemonParts): Promise<void> {
  const { dataDirectory } = options;
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await mkdir(rendezvousPaths(dataDirectory).directory, { recursive: true, mode: 0o700 });
  const lock = await acquireDaemonLock(dataDirectory, options.signal);
  try {
    await serveLocked(options, parts);
  } finally {
    lock.release();
  }
}

async function serveLocked(options: DaemonOptions, parts: DaemonParts): Promise<void> {
  const { dataDirectory } = options;
  using logFile = openLogFile(dataDirectory);
  const secrets = await SecretStore.open(dataDirectory);
  const log = lineLogger((line) => {
    const safe = secrets.redact(line);
    logFile.write(safe);
    options.onLogLine?.(safe);
  });
  const monitor = (error: unknown): void => log.log('error', 'The daemon dies of an unexpected error', error);
  process.on('uncaughtExceptionMonitor', monitor);
  try {
    using store = openSqliteStore(join(dataDirectory, 'tidemark.db'), log);
    log.log('info', `Daemon ${options.version} starts, process ${process.pid}, Node ${process.versions.node}`);
    await new Daemon(options, parts, store, secrets, log, logFile.path).serve();
    log.log('info', 'Daemon stopped');
  } catch (error) {
    log.log('error', 'The daemon failed', error);
    throw error;
  } finally {
    process.off('uncaughtExceptionMonitor', monitor);
  }
}

class Daemon {
  readonly #options: DaemonOptions;
  readonly #parts: DaemonParts;
  readonly #store: Store;
  readonly #secrets: SecretStore;
  readonly #log: Logger;
  readonly #logFile: string;
  readonly #instance = randomBytes(8).toString('hex');
  readonly #sessions = new Set<Session>();
  /** Sessions there ever were. */
  #clients = 0;
  #remoteUrl: string | undefined;
  #metricsUrl: string | undefined;
  readonly #stopRequested = Promise.withResolvers<StopReason>();

  constructor(
    options: DaemonOptions,
    parts: DaemonParts,
    store: Store,
    secrets: SecretStore,
    log: Logger,
    logFile: string,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#store = store;
    this.#secrets = secrets;
    this.#log = log;
    this.#logFile = logFile;
  }

  async serve(): Promise<void> {
    await recoverRuns(this.#store, this.#log);
    const services = await this.#services();
    const { changes } = services;
    const runChanges = services.runs.onChange((run) => this.#sessions.forEach((session) => session.feed.push(run)));
    const inventoryChanges = changes.onChange((event) =>
      this.#sessions.forEach((session) => session.inventory.push(event, changes.sequence)),
    );
    const doors = await this.#open(services);
    for (const host of services.hosts.list()) services.cleaner.request(host.name);
    services.simulator.resume();
    services.notifier.start();
    services.schedule.start();
    const { signal, exitWhenIdleMs } = this.#options;
    const onAbort = (): void => this.#stopRequested.resolve('signal');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const idle = exitWhenIdleMs === undefined ? undefined : this.#watchIdle(exitWhenIdleMs, services);
    const folder = await this.#watchFolder();
    this.#options.onReady?.();
    const reason = await this.#stopRequested.promise;
    signal.removeEventListener('abort', onAbort);
    idle?.[Symbol.dispose]();
    folder[Symbol.dispose]();

    this.#log.log('info', `Daemon stops (${reason})`);
    services.schedule[Symbol.dispose]();
    services.pauseEnds[Symbol.dispose]();
    for (const session of this.#sessions) session.willStop(reason);
    for (const door of doors) await door.close();
    await services.runs.stop(stopTimeoutMs);
    runChanges[Symbol.dispose]();
    inventoryChanges[Symbol.dispose]();
    await this.#release(services);
    // Last, so that a client that waits for the end finds the data directory free.
    await Promise.all([...this.#sessions].map((session) => session.end()));
  }

  /** Opens what clients connect to: for other machines first, so that nobody finds a daemon that then fails to start. */
  async #open(services: DaemonServices): Promise<readonly { close(): Promise<void> | void }[]> {
    const protocol = this.#parts.protocol ?? daemonProtocol;
    const { version, dataDirectory, remote } = this.#options;
    const instance = this.#instance;
    const onClient = (socket: Socket): void => {
      if (socket.destroyed) return;
      const session = new Session(socket, { version, instance, protocol, log: this.#log });
      this.#sessions.add(session);
      this.#clients += 1;
      session.closed.addEventListener('abort', () => this.#sessions.delete(session), { once: true });
      registerHandlers(session, services);
    };
    const far = remote === undefined ? undefined : await listenRemotely(remote, this.#log, onClient);
    this.#remoteUrl = far?.url;
    const metrics = await this.#openMetrics(services);
    this.#metricsUrl = metrics?.url;
    const near = await listen({
      dataDirectory,
      instance,
      version,
      logFile: this.#logFile,
      protocol,
      log: this.#log,
      onClient,
    });
    return [near, far, metrics].filter((door) => door !== undefined);
  }

  async #openMetrics(services: DaemonServices): Promise<MetricsListener | undefined> {
    const { metrics } = this.#options;
    if (metrics === undefined) return undefined;
    try {
      return await listenForMetrics(metrics.address, () => services.metrics.text(), this.#log);
    } catch (error) {
      if (metrics.required) throw error;
      this.#log.log('warning', `There are no metrics: ${TidemarkError.from(error).message}`);
      return undefined;
    }
  }

  #watchIdle(idleMs: number, services: DaemonServices): Disposable {
    return watchIdle({
      idleMs,
      isNeeded: () =>
        this.#sessions.size > 0 ||
        services.runs.active().length > 0 ||
        services.schedule.isNeeded ||
        services.notifier.waiting > 0,
      touched: () => this.#clients,
      onIdle: () => this.#stopRequested.resolve('idle'),
    });
  }

  async #watchFolder(): Promise<Disposable> {
    const { dataDirectory, folderLookMs = 30_000 } = this.#options;
    return watchFolder(dataDirectory, folderLookMs, () => {
      this.#log.log('error', `The data directory ${dataDirectory} is gone: nothing can be recorded any more`);
      this.#stopRequested.resolve('signal');
    });
  }

  /** Gives back what others hold for us; a host or a disk that does not answer does not keep the daemon. */
  async #release(services: DaemonServices): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#log.log('warning', 'Hosts or repositories did not close in time');
      timeout.resolve();
    }, releaseTimeoutMs);
    const released = async (): Promise<void> => {
      services.inventory.close();
      await services.notifier.close();
      await services.simulator.close();
      await services.cleaner.close();
      await services.hosts.close();
      await services.repositories.close();
    };
    try {
      await Promise.race([released(), timeout.promise]);
    } catch (error) {
      this.#log.log('warning', 'Something could not be closed', error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #services(): Promise<DaemonServices> {
    const { dataDirectory, version, exitWhenIdleMs, program } = this.#options;
    return buildServices({
      dataDirectory,
      version,
      store: this.#store,
      secrets: this.#secrets,
      log: this.#log,
      parts: this.#parts,
      program,
      remoteUrl: () => this.#remoteUrl,
      metricsUrl: () => this.#metricsUrl,
      processStatus: {
        version,
        pid: process.pid,
        startedAt: new Date().toISOString(),
        dataDirectory,
        logFile: this.#logFile,
        machine: hostname(),
        platform: process.platform === 'win32' ? 'windows' : 'posix',
        ...(exitWhenIdleMs === undefined
          ? {}
          : { exitsWhenIdleMinutes: Math.max(1, Math.round(exitWhenIdleMs / 60_000)) }),
      },
      // Only once the answer to whoever asked is on its way.
      requestStop: () => setImmediate(() => this.#stopRequested.resolve('requested')),
    });
  }
}
