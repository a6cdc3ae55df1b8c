/** The daemon's database of runs in memory: a year has 200,000 of them, and each would be flushed to a disk several times. */
import type { LogLine, RunInfo, RunSample } from '../../../../../server/protocol/daemon.ts';
import type { RunId } from '../../../../../server/protocol/ids.ts';
import type { JournalEntry } from '../../../../../server/daemon/runs/context.ts';
import { isFinished } from '../../../../../server/protocol/daemon.ts';
import type { ScheduleState, ScheduleStore } from '../../../../../server/daemon/store/schedule-store.ts';
import type { HostRecord, RepositoryRecord, Store } from '../../../../../server/daemon/store/store.ts';

/** How far schedules are carried out. */
class MemorySchedules implements ScheduleStore {
  readonly #states = new Map<string, ScheduleState>();
  readonly #weeks = new Map<string, string>();

  all(): readonly ScheduleState[] {
    return [...this.#states.values()];
  }

  put(state: ScheduleState): void {
    this.#states.set(state.policy, state);
  }

  delete(policy: string): void {
    this.#weeks.delete(policy);
    this.#states.delete(policy);
  }

  verifiedWeek(policy: string): string | undefined {
    return this.#weeks.get(policy);
  }

  setVerifiedWeek(policy: string, week: string): void {
    this.#weeks.set(policy, week);
  }
}

/** Runs that are remembered. */
const keptRuns = 1000;

/** Forgets the oldest runs; what is about policies goes to a real database. */
export class MemoryRunStore implements Store {
  readonly policies: Store['policies'];
  readonly schedules = new MemorySchedules();
  readonly notifications: Store['notifications'];
  readonly metrics: Store['metrics'];
  readonly verified: Store['verified'];
  readonly #real: Store;
  readonly #runs = new Map<RunId, RunInfo>();
  readonly #keys = new Map<string, RunId>();
  readonly #journal = new Map<RunId, JournalEntry[]>();

  constructor(real: Store) {
    this.#real = real;
    this.policies = real.policies;
    this.notifications = real.notifications;
    this.metrics = real.metrics;
    this.verified = real.verified;
  }

  hosts(): readonly HostRecord[] {
    return [];
  }

  putHost(): void {}

  deleteHost(): void {}

  repositories(): readonly RepositoryRecord[] {
    return [];
  }

  putRepository(): void {}

  deleteRepository(): void {}

  insertRun(run: RunInfo, key: string | undefined): void {
    this.#runs.set(run.id, run);
    if (key !== undefined) this.#keys.set(key, run.id);
    if (this.#runs.size > 2 * keptRuns) this.trimRuns(keptRuns);
  }

  updateRun(run: RunInfo): void {
    this.#runs.set(run.id, run);
  }

  run(id: RunId): RunInfo | undefined {
    return this.#runs.get(id);
  }

  runByKey(key: string): RunInfo | undefined {
    const id = this.#keys.get(key);
    return id === undefined ? undefined : this.#runs.get(id);
  }

  runs(limit: number): readonly RunInfo[] {
    return [...this.#runs.values()].slice(-limit).toReversed();
  }

  lastRunOf(policy: string): RunInfo | undefined {
    return this.runs(keptRuns).find(({ request }) => request.kind === 'policy' && request.policy === policy);
  }

  lastEndedRunOf(policy: string): RunInfo | undefined {
    return this.runs(keptRuns).find(
      ({ request, state }) => request.kind === 'policy' && request.policy === policy && isFinished(state),
    );
  }

  childrenOf(parent: RunId, limit: number): readonly RunInfo[] {
    return [...this.#runs.values()].filter((run) => run.parent === parent).slice(0, limit);
  }

  unfinishedRuns(): readonly RunInfo[] {
    return [...this.#runs.values()].filter(({ state }) => !isFinished(state));
  }

  trimRuns(keep: number): void {
    for (const id of [...this.#runs.keys()].slice(0, -keep)) this.#runs.delete(id);
    for (const [key, id] of this.#keys) if (!this.#runs.has(id)) this.#keys.delete(key);
  }

  appendLog(): void {}

  log(): readonly LogLine[] {
    return [];
  }

  putSamples(): void {}

  samples(): readonly RunSample[] {
    return [];
  }

  appendJournal(run: RunId, entry: JournalEntry): void {
    this.#journal.set(run, [...(this.#journal.get(run) ?? []), entry]);
  }

  journal(run: RunId): readonly JournalEntry[] {
    return this.#journal.get(run) ?? [];
  }

  journalledRuns(): readonly RunId[] {
    return [...this.#journal.keys()];
  }

  clearJournal(run: RunId): void {
    this.#journal.delete(run);
  }

  [Symbol.dispose](): void {
    this.#real[Symbol.dispose]();
  }
}
