/** Queue, life cycle and history of runs. A run belongs to the daemon: no client's coming or going changes it. */
import type { Logger } from '../../base/log.ts';
import { ulid } from '../../base/ulid.ts';
import type { BackupRequest, LogLine, RunInfo, RunOutcome, RunRequest, RunSample } from '../../protocol/daemon.ts';
import { cancelledError, errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { runId } from '../../protocol/ids.ts';
import type { RunId } from '../../protocol/ids.ts';
import type { Store } from '../store/store.ts';
import { abortable } from '../deadline.ts';
import { ActiveRun } from './active-run.ts';
import type { RunEnd } from './active-run.ts';
import { isSamePolicy, mustWait, overtakes, RunSlots, sameVm } from './conflicts.ts';
import type { VmIdentity } from './conflicts.ts';
import type { JournalEntry, RunContext, RunExecutor, RunServices } from './context.ts';
import { disownPartialFile, removePartialFiles } from './partial-files.ts';
import { refuseUnknownNames } from './known-names.ts';
import { failureOf, policyTaken, stoppingError, vmTaken } from './run-ends.ts';
import { isFinished } from '../../protocol/daemon.ts';

/** One executor for each kind of request. */
export type RunExecutors = {
  readonly [K in RunRequest['kind']]: RunExecutor<Extract<RunRequest, { readonly kind: K }>>;
};

/** What a run manager needs. */
export interface RunManagerOptions {
  readonly store: Store;
  readonly log: Logger;
  readonly executors: RunExecutors;
  readonly services: RunServices;
  /** Knows VMs by name; answers from memory. */
  readonly identifyVm: VmIdentity;
  /** Blanks secrets in texts that are stored with a run and shown to clients. */
  readonly redact: (text: string) => string;
  /** Called after a run ended, however it ended. */
  readonly onEnd: (run: RunInfo) => void;
}

/** Runs kept in the history; looked after each time so many runs were added. */
const historyLimit = 10_000;
const trimEvery = 256;
/** Runs that wait or work at a time. */
const maxActive = 1000;

/** Starts, cancels and remembers runs. */
export class RunManager {
  readonly #options: RunManagerOptions;
  /** Queued, running and cancelling runs, in the order they came. */
  readonly #active = new Map<RunId, ActiveRun>();
  /** The executors at work. */
  readonly #work = new Map<RunId, Promise<void>>();
  /** Which VM (GUID) a backup has taken hold of on its host. */
  readonly #vmOf = new Map<RunId, string>();
  /** Ended runs whose end the store did not take. */
  readonly #unrecorded = new Map<RunId, RunInfo>();
  readonly #listeners = new Set<(run: RunInfo) => void>();
  #stopping = false;
  #added = 0;

  constructor(options: RunManagerOptions) {
    this.#options = options;
    options.store.trimRuns(historyLimit);
  }

  /**
   * Queues a run, or returns the run that was started with the same key. `parent` is the run that it is part of. Throws `TM5102` when the
   * VM is in a run already, `TM7005` when a run of the policy is active, `TM5005` when too many wait.
   */
  start(request: RunRequest, key: string | undefined, parent?: RunId): RunInfo {
    const known = key === undefined ? undefined : this.#options.store.runByKey(key);
    if (known !== undefined) return this.#live(known.id) ?? known;
    if (this.#stopping) throw stoppingError();
    refuseUnknownNames(request, this.#options.services);
    const taken = this.#sameVm(request);
    if (taken !== undefined) throw vmTaken(taken);
    const samePolicy = [...this.#active.values()].find((other) => isSamePolicy(request, other.request));
    if (samePolicy !== undefined) throw policyTaken(samePolicy);
    if (this.#active.size >= maxActive) {
      throw new TidemarkError(errorCodes.daemonBusy, `${this.#active.size} runs are waiting or active already.`, {
        hint: 'Wait for some to end, or cancel them (`tidemark run list`).',
      });
    }
    const run = this.#add(request, key, parent);
    this.#active.set(run.id, run);
    run.log('info', `Queued: ${request.kind}.`);
    this.#startNext();
    return run.info();
  }

  /** Records a run that does not happen, and why, so that people see it where they look for it. */
  leaveOut(request: RunRequest, reason: TidemarkError): RunInfo {
    const run = this.#add(request, undefined, undefined);
    run.log('warning', reason.message);
    this.#end(run, { state: 'cancelled', error: reason.report() });
    return run.info();
  }

  /** Asks a run to stop, for a `reason`: because somebody wants it when there is none. Throws `TM5101`. */
  cancel(id: RunId, reason: TidemarkError = cancelledError()): RunInfo {
    const run = this.#active.get(id);
    if (run === undefined) return this.get(id);
    this.#cancelRun(run, reason);
    return run.info();
  }

  /** The active run that backs up the VM of this request, if there is one. */
  conflicting(request: BackupRequest): RunInfo | undefined {
    const byName = this.#sameVm(request);
    if (byName !== undefined) return byName.info();
    const [holder] = [...this.#vmOf].find(([, vm]) => vm === request.vm.toUpperCase()) ?? [];
    return holder === undefined ? undefined : this.#active.get(holder)?.info();
  }

  /** Throws `TM5101` when there is no such run. */
  get(id: RunId): RunInfo {
    const run = this.#live(id) ?? this.#options.store.run(id);
    if (run === undefined) {
      throw new TidemarkError(errorCodes.runNotFound, `There is no run ${id}.`, {
        hint: '`tidemark run list` shows them.',
      });
    }
    return run;
  }

  /** The newest runs first. */
  list(limit: number): readonly RunInfo[] {
    return this.#options.store.runs(limit).map((stored) => this.#live(stored.id) ?? stored);
  }

  /** The runs that are part of a run, in the order they were started. */
  childrenOf(id: RunId, limit: number): readonly RunInfo[] {
    return this.#options.store.childrenOf(id, limit).map((stored) => this.#live(stored.id) ?? stored);
  }

  active(): readonly RunInfo[] {
    return [...this.#active.values()].map((run) => run.info());
  }

  isActive(id: RunId): boolean {
    return this.#active.has(id);
  }

  /** The GUID of the VM that an active run backs up, once it has found it. */
  vmOf(id: RunId): string | undefined {
    return this.#vmOf.get(id);
  }

  /** Throws `TM5101`. */
  logLines(id: RunId, from: number, limit: number): readonly LogLine[] {
    const run = this.#active.get(id);
    if (run !== undefined) return run.logLines(from, limit);
    this.get(id);
    return this.#options.store.log(id, from, limit);
  }

  /** Resolves when line `from` of an active run's log is there, when the run has ended, or when `signal` aborts. */
  async logReaches(id: RunId, from: number, signal: AbortSignal): Promise<void> {
    await this.#active.get(id)?.logReaches(from, signal);
  }

  /** How much moved over time. Throws `TM5101`. */
  samples(id: RunId): readonly RunSample[] {
    const run = this.#active.get(id);
    if (run !== undefined) return run.samples();
    this.get(id);
    return this.#options.store.samples(id);
  }

  /** Calls `listener` with each state of each run until disposed. */
  onChange(listener: (run: RunInfo) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Resolves when the run is not active (any more). Throws the signal's reason. */
  async ended(id: RunId, signal: AbortSignal): Promise<void> {
    const ended = Promise.withResolvers<void>();
    const listening = this.onChange((run) => {
      if (run.id === id && isFinished(run.state)) ended.resolve();
    });
    try {
      if (this.isActive(id)) await abortable(ended.promise, signal);
    } finally {
      listening[Symbol.dispose]();
    }
  }

  /** Takes no new runs from now on. Throws `TM5005` when runs are active and `cancelRuns` is not set. */
  beginStop(cancelRuns: boolean): void {
    if (this.#active.size > 0 && !cancelRuns) {
      const one = this.#active.size === 1;
      throw new TidemarkError(
        errorCodes.daemonBusy,
        one ? 'A run is active.' : `${this.#active.size} runs are active.`,
        { hint: 'Wait for them to end (`tidemark run list`), or stop with --cancel-runs.' },
      );
    }
    this.#stopping = true;
  }

  /** Cancels all runs and waits for them to clean up, at most `timeoutMs`. What does not end by then is recorded as interrupted. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    for (const run of this.#active.values()) this.#cancelRun(run, stoppingError());
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, timeoutMs);
    await Promise.race([Promise.all(this.#work.values()), timeout.promise]);
    clearTimeout(timer);
    for (const run of this.#active.values()) {
      this.#options.log.log('error', `Run ${run.id} did not stop in time; the next start of the daemon cleans up`);
      this.#end(run, { state: 'interrupted', error: stoppingError().report() });
    }
  }

  #add(request: RunRequest, key: string | undefined, parent: RunId | undefined): ActiveRun {
    const { store, log, redact } = this.#options;
    const run = new ActiveRun(runId(ulid(), 'id'), request, parent, {
      store,
      log,
      redact,
      onUpdate: (info) => this.#tell(info),
      onJournal: (from, entry) => this.#beforeJournal(from, entry),
    });
    store.insertRun(run.info(), key);
    this.#added += 1;
    if (this.#added % trimEvery === 0) store.trimRuns(historyLimit);
    return run;
  }

  /** That one who listens fails keeps no run from ending, and nobody else from hearing of it. */
  #tell(run: RunInfo): void {
    for (const listener of this.#listeners) {
      try {
        listener(run);
      } catch (error) {
        this.#options.log.log('error', `After a change of run ${run.id} (${run.state}) something failed`, error);
      }
    }
  }

  #sameVm(request: RunRequest): ActiveRun | undefined {
    const { identifyVm } = this.#options;
    return [...this.#active.values()].find((other) => sameVm(request, other.request, identifyVm));
  }

  #live(id: RunId): RunInfo | undefined {
    return this.#active.get(id)?.info() ?? this.#unrecorded.get(id);
  }

  #startNext(): void {
    if (this.#stopping) return;
    const slots = new RunSlots();
    for (const id of this.#work.keys()) {
      const run = this.#active.get(id);
      if (run !== undefined) slots.take(run.request);
    }
    const earlier: ActiveRun[] = [];
    for (const run of this.#active.values()) {
      const free = run.state === 'queued' && !this.#work.has(run.id) && !run.signal.aborted;
      if (free && slots.isFree(run.request) && !this.#isBlocked(run, earlier)) {
        slots.take(run.request);
        this.#work.set(run.id, this.#execute(run));
      }
      earlier.push(run);
    }
  }

  /** By one that came earlier, or by one that overtook it and is at work. */
  #isBlocked({ request }: ActiveRun, earlier: readonly ActiveRun[]): boolean {
    const waitsFor = (other: ActiveRun): boolean => mustWait(request, other.request);
    if (earlier.some((other) => waitsFor(other) && (this.#work.has(other.id) || !overtakes(request, other.request)))) {
      return true;
    }
    return [...this.#work.keys()].some((id) => {
      const other = this.#active.get(id);
      return other !== undefined && waitsFor(other);
    });
  }

  async #execute(run: ActiveRun): Promise<void> {
    let end: RunEnd;
    try {
      run.begin();
      end = { state: 'succeeded', outcome: await execute(this.#options, run.request, run) };
    } catch (error) {
      end = failureOf(run, error);
    }
    await this.#settleJournal(run);
    this.#end(run, end);
    this.#work.delete(run.id);
    this.#startNext();
  }

  #cancelRun(run: ActiveRun, reason: TidemarkError): void {
    run.cancel(reason);
    if (this.#work.has(run.id)) return;
    this.#end(run, failureOf(run, reason));
    this.#startNext();
  }

  /** Takes the run out first: whoever hears of its end may start the next run of the VM at once. */
  #end(run: ActiveRun, end: RunEnd): void {
    if (isFinished(run.state)) return;
    this.#active.delete(run.id);
    this.#vmOf.delete(run.id);
    run.log('info', `Ended: ${end.state}`);
    const recorded = run.finish(end);
    if (!recorded) this.#unrecorded.set(run.id, run.info());
    try {
      this.#options.onEnd(run.info());
    } catch (error) {
      this.#options.log.log('error', `After run ${run.id} something failed`, error);
    }
  }

  #beforeJournal(run: ActiveRun, entry: JournalEntry): void {
    if (entry.type === 'checkpoint-requested') {
      for (const [id, vm] of this.#vmOf) {
        const other = this.#active.get(id);
        if (vm === entry.vmId && other !== undefined && id !== run.id) throw vmTaken(other);
      }
      this.#vmOf.set(run.id, entry.vmId);
    }
    // The path is this run's now: no older journal may have it deleted.
    if (entry.type === 'partial-file') disownPartialFile(this.#options.store, entry.path, run.id);
  }

  /** What the executor left half-written goes before the run's end is told. */
  async #settleJournal(run: ActiveRun): Promise<void> {
    const { store, log } = this.#options;
    try {
      if (await removePartialFiles(store.journal(run.id), log)) store.clearJournal(run.id);
      else run.warn('An unfinished file could not be removed; the next start of the daemon tries again.');
    } catch (error) {
      log.log(
        'error',
        `The journal of run ${run.id} could not be settled; the next start of the daemon does it`,
        error,
      );
    }
  }
}

function execute<K extends RunRequest['kind']>(
  { executors, services }: Pick<RunManagerOptions, 'executors' | 'services'>,
  request: Extract<RunRequest, { readonly kind: K }>,
  context: RunContext,
): Promise<RunOutcome> {
  return executors[request.kind](request, context, services);
}
