/** The runs of the daemon, live: what the Runs view, the status bar, notifications and the run page show. */
import type { DaemonClient } from '../../server/connect/index.ts';
import * as daemon from '../../server/protocol/daemon.ts';
import type { RunInfo, RunRequest } from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { RunId } from '../../server/protocol/ids.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached, LoadOptions } from './cached.ts';
import { Loads } from './loads.ts';
import { hasEnded, trimmed } from './run-order.ts';

/** What the settings say, and how often listeners are told. */
export interface RunStoreOptions {
  /** How many runs that have ended are kept. */
  readonly recentCount: () => number;
  /** Shortest time between two events, ms; 250 when absent. */
  readonly coalesceMs?: number | undefined;
}

/** What changed since the last event. */
export interface RunChange {
  /** Runs of which something changed, as they are now; new ones too. */
  readonly changed: readonly RunInfo[];
  /** Runs came, went, or changed places (queued, active, ended): the list has another order. */
  readonly listChanged: boolean;
}

/** Keeps the runs. Updates come at most ten times a second for each run and leave in one event at most four times a second. */
export class RunStore {
  readonly #link: DaemonLink;
  readonly #options: RunStoreOptions;
  readonly #change = new Emitter<RunChange>();
  readonly #end = new Emitter<RunInfo>();
  readonly #owned = new Subscriptions();
  readonly #loads = new Loads<'list'>();
  readonly #pending = new Map<RunId, RunInfo>();
  readonly #startedHere = new Set<RunId>();
  /** The newest change of each run that the daemon process `#instance` told. Another process may count from an older state on. */
  readonly #sequences = new Map<RunId, number>();
  #instance = '';
  #listChanged = false;
  #timer: NodeJS.Timeout | undefined;
  #byId = new Map<RunId, RunInfo>();
  #runs: Cached<readonly RunInfo[]> = unread([]);

  constructor(link: DaemonLink, options: RunStoreOptions) {
    this.#link = link;
    this.#options = options;
    this.#owned.add(this.#change);
    this.#owned.add(this.#end);
    this.#owned.add(link.onNotification(daemon.runDidChange, ({ run }) => this.apply(run)));
    this.#owned.add(link.onDidConnect((client) => void this.#subscribe(client)));
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind === 'connected' || kind === 'starting') return;
        this.#setState(outdated(this.#runs));
      }),
    );
    this.#owned.add({ dispose: () => clearTimeout(this.#timer) });
  }

  /** At most four times a second. The end of a run comes at once. */
  readonly onDidChange: Event<RunChange> = (listener) => this.#change.event(listener);
  /** A run that was seen active has ended; once for each. */
  readonly onDidEnd: Event<RunInfo> = (listener) => this.#end.event(listener);

  /** All runs known, newest first. */
  get runs(): Cached<readonly RunInfo[]> {
    return this.#runs;
  }

  /** The runs that have not ended, newest first. */
  get active(): readonly RunInfo[] {
    return this.#runs.value.filter((run) => !hasEnded(run));
  }

  run(id: RunId): RunInfo | undefined {
    return this.#byId.get(id);
  }

  /** Whether this window started the run: only then it may notify. */
  startedHere(id: RunId): boolean {
    return this.#startedHere.has(id);
  }

  /** Reads the runs. They also come by themselves with each connection. A failure is in `runs`, not thrown. */
  async load({ force = false, signal }: LoadOptions = {}): Promise<void> {
    if (!force && this.#runs.state === 'ready' && !this.#runs.stale) return;
    try {
      const client = await this.#link.client(signal);
      await this.#loads.once('list', async () => this.#read(client), force);
    } catch (error) {
      this.#setState(failed(this.#runs, TidemarkError.from(error)));
    }
  }

  /** Starts a run of this window. Throws the daemon's error; `TM5102` when the VM is in a run already. */
  async start(request: RunRequest): Promise<RunInfo> {
    return this.#start(async (key) => (await this.#link.request(daemon.startRun, { request, key })).run);
  }

  /** Starts a run of an applied policy; without `type` its backups read what the policy says. Throws the daemon's error. */
  async startPolicy(name: string, type?: 'full' | 'incremental'): Promise<RunInfo> {
    return this.#start(async (key) => (await this.#link.request(daemon.runPolicy, { name, key, type })).run);
  }

  /** With the key, a request that is sent again after a lost connection finds the run that the first one started. */
  async #start(request: (key: string) => Promise<RunInfo>): Promise<RunInfo> {
    const key = crypto.randomUUID();
    const send = async (): Promise<RunInfo> => request(key);
    const run = await send().catch(async (error: unknown) => {
      if (!TidemarkError.is(error, errorCodes.daemonNotRunning)) throw error;
      return send();
    });
    this.#startedHere.add(run.id);
    this.apply(run);
    return run;
  }

  /** Asks a run to stop; it cleans up first. Throws the daemon's error. */
  async cancel(id: RunId): Promise<void> {
    const { run } = await this.#link.request(daemon.cancelRun, { id });
    this.apply(run);
  }

  /** Takes in a run as the daemon told it; what is older than what is known is dropped. */
  apply(run: RunInfo): void {
    if (run.sequence <= (this.#sequences.get(run.id) ?? -1)) return;
    const before = this.#byId.get(run.id);
    this.#sequences.set(run.id, run.sequence);
    this.#byId.set(run.id, run);
    this.#pending.set(run.id, run);
    if (before?.state !== run.state) this.#listChanged = true;
    const ended = before !== undefined && !hasEnded(before) && hasEnded(run);
    if (ended) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), this.#options.coalesceMs ?? 250);
    if (ended || (before === undefined && hasEnded(run) && this.#startedHere.has(run.id))) this.#end.fire(run);
  }

  dispose(): void {
    this.#owned.dispose();
  }

  async #subscribe(client: DaemonClient): Promise<void> {
    try {
      // A read that goes on is one from the connection before.
      await this.#loads.once('list', async () => this.#read(client), true);
    } catch (error) {
      // A connection that is lost meanwhile comes again, and this with it.
      if (!client.closed.aborted) this.#setState(failed(this.#runs, TidemarkError.from(error)));
    }
  }

  /** Subscribed before the list is read, so that no change falls between the two. */
  async #read(client: DaemonClient): Promise<void> {
    if (client.instance !== this.#instance) this.#sequences.clear();
    this.#instance = client.instance;
    const before = [...this.#byId.keys()];
    this.#setState(loading(this.#runs));
    const active = await client.request(daemon.subscribeRuns, {});
    const recent = await client.request(daemon.listRuns, { limit: this.#options.recentCount() });
    const read = [...recent.runs, ...active.runs];
    const ids = new Set(read.map(({ id }) => id));
    // Runs of another daemon, or ones that it has forgotten.
    for (const id of before.filter((known) => !ids.has(known))) this.#byId.delete(id);
    for (const run of read) this.apply(run);
    this.#setState(ready(this.#runs.value, Date.now()));
  }

  #setState(runs: Cached<readonly RunInfo[]>): void {
    this.#runs = runs;
    this.#listChanged = true;
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const changed = [...this.#pending.values()];
    this.#pending.clear();
    const listChanged = this.#listChanged;
    this.#listChanged = false;
    const kept = trimmed(this.#byId.values(), this.#options.recentCount());
    this.#byId = new Map(kept.map((run) => [run.id, run]));
    for (const id of this.#sequences.keys()) if (!this.#byId.has(id)) this.#sequences.delete(id);
    this.#runs = { ...this.#runs, value: kept };
    this.#change.fire({ changed, listChanged });
  }
}
