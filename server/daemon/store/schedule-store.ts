/** What the daemon remembers of schedules. Everything is durable when a method returns. */
import type { PolicyRequest } from '../../protocol/daemon.ts';

/** A run that came due and was not started yet. */
export interface WaitingRun {
  /** When it was due, RFC 3339. */
  readonly scheduledFor: string;
  readonly type: 'full' | 'incremental';
  readonly trigger: Extract<PolicyRequest['trigger'], 'schedule' | 'missed'>;
  /** Runs that it stands for besides: when they were due, the first of them, RFC 3339. */
  readonly missed: readonly string[];
  /** How often in a row it was started and interrupted by the end of the daemon. */
  readonly interruptions: number;
}

/** A run that was started, or was about to be. */
export interface StartedRun extends WaitingRun {
  /** The key that it was started with. */
  readonly key: string;
}

/** How far the schedule of a policy is carried out. */
export interface ScheduleState {
  readonly policy: string;
  /** The version of the policy that `handledUntil` is about. */
  readonly version: number;
  /** What came due until then is dealt with: it was started, waits, or was left out. RFC 3339. */
  readonly handledUntil: string;
  readonly waiting?: WaitingRun | undefined;
  /** Kept until the run has ended: one that was interrupted is found here. */
  readonly started?: StartedRun | undefined;
}

/** The schedules in the daemon's database. */
export interface ScheduleStore {
  all(): readonly ScheduleState[];
  put(state: ScheduleState): void;
  /** Forgets all that is known of the policy. */
  delete(policy: string): void;
  /** The week and the repository (`2026-W09 main`) in which restore points of the policy were last verified for it; undefined when they never were. */
  verifiedWeek(policy: string): string | undefined;
  setVerifiedWeek(policy: string, week: string): void;
}
