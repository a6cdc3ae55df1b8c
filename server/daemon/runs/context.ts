/** What a run gets from the daemon, and what it must give back. Executors know nothing of sockets, SQLite or clients. */
import type { OwnerId, RunId, VmId } from '../../protocol/ids.ts';
import type { RunOutcome, RunPhase, RunRequest } from '../../protocol/daemon.ts';
import { TidemarkError } from '../../protocol/errors.ts';
import type { LogLevel } from '../../base/log.ts';
import type { AgentConnection } from '../agent-client/connection.ts';
import type { Repository } from '../../repository/index.ts';
import type { Policies } from '../policies/api.ts';
import type { VerifiedPoints } from '../store/verified-points.ts';

/** A fact written durably to the run's journal, so that the next start of the daemon can clean up after a crash. */
export type JournalEntry =
  | { readonly type: 'checkpoint-requested'; readonly host: string; readonly vmId: string }
  | { readonly type: 'restore-point-written'; readonly restorePoint: string }
  | { readonly type: 'partial-file'; readonly path: string }
  | { readonly type: 'file-complete'; readonly path: string };

/** Thrown by a run that failed, or was cancelled, and has something to show all the same. */
export class FailedWithOutcome extends TidemarkError {
  readonly outcome: RunOutcome;

  constructor(error: TidemarkError, outcome: RunOutcome) {
    super(error.code, error.message, { hint: error.hint, cause: error.cause });
    this.outcome = outcome;
  }
}

/** A run's side of the run manager. */
export interface RunContext {
  readonly id: RunId;
  /** Aborted by `cancelRun`, and with a `TidemarkError` as reason when the daemon stops. */
  readonly signal: AbortSignal;
  /** Enters a phase; what it is about may follow with `setDisks`. */
  phase(phase: RunPhase): void;
  /** Percent of the host's job; undefined when none runs. */
  jobPercent(percent: number | undefined): void;
  /** The disks (or other parts) of this run and how many bytes each has to do. Resets what was done. */
  setDisks(disks: readonly { readonly name: string; readonly totalBytes: number }[]): void;
  /** `bytes` more of `disk` are done. Cheap: call it for each chunk. */
  advance(disk: string, bytes: number): void;
  /** What the run is about, for people, now that it is known: a request may have ids only. */
  setTitle(text: string): void;
  /** A warning that the user sees with the result. */
  warn(text: string): void;
  /** A line of the run's log. */
  log(level: LogLevel, text: string, error?: unknown): void;
  /** Resolves when the entry is durable. */
  journal(entry: JournalEntry): Promise<void>;
}

/** A host as runs use it. */
export interface RunHost {
  readonly name: string;
  /** Disk parts exported at a time. */
  readonly threads: number;
  /** The authenticated control connection, opened when there is none. */
  connect(signal: AbortSignal): Promise<AgentConnection>;
}

/** What the daemon offers to its runs. */
export interface RunServices {
  /** Marks what this daemon makes on hosts. */
  readonly owner: OwnerId;
  /** Version text stored in restore points. */
  readonly version: string;
  readonly hosts: {
    /** Throws `TM5201`. */
    get(name: string): RunHost;
    list(): readonly RunHost[];
  };
  readonly repositories: {
    /** The open repository of that name; opened once and kept. Throws `TM5203` or what opening throws. */
    open(name: string, signal: AbortSignal): Promise<Repository>;
    names(): readonly string[];
  };
  /** The applied policies. */
  readonly policies: Pick<Policies, 'get' | 'list'>;
  /** What verifications have read back. */
  readonly verified: VerifiedPoints;
  /** The time that policies go by, ms since 1970. */
  readonly now: () => number;
  /** Removes what a crash left of this VM (or of all VMs) on the host: see `cleanUpHost`. Call it before a run on that host. `warn` is told what nobody removes. */
  cleanUp(
    host: RunHost,
    vmId: VmId | undefined,
    connection: AgentConnection,
    signal: AbortSignal,
    warn: (text: string) => void,
  ): Promise<void>;
}

/** Carries out one kind of request. Throws on failure; returns only when the result is real and durable. */
export type RunExecutor<R extends RunRequest> = (
  request: R,
  context: RunContext,
  services: RunServices,
) => Promise<RunOutcome>;
