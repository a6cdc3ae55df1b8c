/** What the daemon remembers between starts. Everything is durable when a method returns, except log lines (see `appendLog`). */
import type { LogLine, RunInfo, RunSample } from '../../protocol/daemon.ts';
import type { RunId } from '../../protocol/ids.ts';
import type { JournalEntry } from '../runs/context.ts';
import type { MetricStore } from './metric-store.ts';
import type { NotificationStore } from './notification-store.ts';
import type { PolicyStore } from './policy-store.ts';
import type { ScheduleStore } from './schedule-store.ts';
import type { VerifiedPoints } from './verified-points.ts';

/** A host as stored; its password is in the secrets file. */
export interface HostRecord {
  readonly name: string;
  readonly url: string;
  readonly threads: number;
  readonly certificateSha256?: string | undefined;
}

/** A repository as stored; its password is in the secrets file. */
export interface RepositoryRecord {
  readonly name: string;
  /** Absolute. */
  readonly location: string;
  readonly id: string;
}

/** The daemon's database. Methods are synchronous: small rows, one process. */
export interface Store extends Disposable {
  readonly policies: PolicyStore;
  readonly schedules: ScheduleStore;
  readonly verified: VerifiedPoints;
  readonly notifications: NotificationStore;
  readonly metrics: MetricStore;

  hosts(): readonly HostRecord[];
  putHost(host: HostRecord): void;
  deleteHost(name: string): void;

  repositories(): readonly RepositoryRecord[];
  putRepository(repository: RepositoryRecord): void;
  deleteRepository(name: string): void;

  /** Adds a run; `key` is the caller's idempotency key. */
  insertRun(run: RunInfo, key: string | undefined): void;
  /** Replaces what is stored of a run. */
  updateRun(run: RunInfo): void;
  run(id: RunId): RunInfo | undefined;
  runByKey(key: string): RunInfo | undefined;
  /** The newest runs first. Rows that this version cannot read are left out and told to `onUnreadable`. */
  runs(limit: number): readonly RunInfo[];
  /** The newest run of a policy; not that of one of its VMs. */
  lastRunOf(policy: string): RunInfo | undefined;
  /** As `lastRunOf`, of those that ended. */
  lastEndedRunOf(policy: string): RunInfo | undefined;
  /** The runs that are part of a run, in the order they were started. */
  childrenOf(parent: RunId, limit: number): readonly RunInfo[];
  /** Runs that were queued or active when they were last stored. */
  unfinishedRuns(): readonly RunInfo[];
  /** Deletes the oldest ended runs beyond `keep`, with their logs; the newest run of each policy stays. */
  trimRuns(keep: number): void;

  /** Adds log lines to a run, numbered on from `firstLine`. */
  appendLog(run: RunId, firstLine: number, lines: readonly LogLine[]): void;
  /** At most `limit` lines from line `from` on. */
  log(run: RunId, from: number, limit: number): readonly LogLine[];

  /** Keeps the chart of an ended run. */
  putSamples(run: RunId, samples: readonly RunSample[]): void;
  /** Empty when there is none, or none that can be read. */
  samples(run: RunId): readonly RunSample[];

  appendJournal(run: RunId, entry: JournalEntry): void;
  /** In the order they were written. */
  journal(run: RunId): readonly JournalEntry[];
  /** Runs that have journal entries. */
  journalledRuns(): readonly RunId[];
  /** Forgets the journal of a run whose leftovers are cleaned up. */
  clearJournal(run: RunId): void;
}
