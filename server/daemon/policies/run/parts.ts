/** What the run of a policy is made with. */
import type { BackupRequest, RunInfo, RunRequest } from '../../../protocol/daemon.ts';
import type { TidemarkError } from '../../../protocol/errors.ts';
import type { RunId } from '../../../protocol/ids.ts';
import type { VmListing } from '../../inventory.ts';
import type { Clock } from '../../schedule/clock.ts';
import type { ScheduleStore } from '../../store/schedule-store.ts';
import type { Policies } from '../api.ts';

/** The daemon's runs, as one that works through others uses them. */
export interface ChildRuns {
  start(request: RunRequest, key: string | undefined, parent: RunId): RunInfo;
  get(id: RunId): RunInfo;
  cancel(id: RunId, reason?: TidemarkError): RunInfo;
  /** Resolves when the run is not active (any more). */
  ended(id: RunId, signal: AbortSignal): Promise<void>;
  /** The active run that backs up the same VM. */
  conflicting(request: BackupRequest): RunInfo | undefined;
  onChange(listener: (run: RunInfo) => void): Disposable;
}

/** The parts of the daemon that runs of policies work with. */
export interface PolicyRunParts {
  readonly policies: Pick<Policies, 'get' | 'list'>;
  readonly inventory: { list(query: { readonly maxAgeMs: number }, signal: AbortSignal): Promise<VmListing> };
  readonly runs: ChildRuns;
  readonly schedule: Pick<ScheduleStore, 'verifiedWeek' | 'setVerifiedWeek'>;
  readonly clock: Clock;
}
