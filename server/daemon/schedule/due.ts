/** What to do with runs of a policy that came due: start one, or leave them out. */
import { dueRuns, nextRuns } from '../../policy/schedule/runs.ts';
import type { Policy } from '../../policy/index.ts';
import type { WaitingRun } from '../store/schedule-store.ts';

/** A run is on time when the daemon notices it this late at most, ms: timers are late on a machine that has much to do. */
const onTimeMs = 5 * 60_000;

/** Missed runs that are named one by one; see `policyRequest` in protocol/daemon. */
const maxMissed = 100;

/** What came due, and what follows from it. */
export interface DueDecision {
  /** The one run that is to start. */
  readonly run: WaitingRun | undefined;
  /** The newest one that the policy says to leave out since it was missed. */
  readonly leftOut: Pick<WaitingRun, 'type' | 'scheduledFor'> | undefined;
  /** A sentence about runs that do not start by themselves. */
  readonly note: string | undefined;
}

/** Decides about everything that came due in (since, now]; undefined when nothing did. */
export function decideDue(policy: Policy, since: number, now: number): DueDecision | undefined {
  const due = dueRuns(policy, since, now);
  if (due === undefined) return undefined;
  const { newest, more } = due;
  const onTime = now - newest.at <= onTimeMs;
  const skips = policy.missedRuns === 'skip';
  const missed = due.count - (onTime ? 1 : 0);
  const note = missed === 0 ? undefined : missedNote(missed, more, skips);
  const leftOut = skips && missed > 0 ? { type: newest.type, scheduledFor: timestampOf(newest.at) } : undefined;
  if (!onTime && skips) return { run: undefined, leftOut, note };
  const run: WaitingRun = {
    scheduledFor: timestampOf(newest.at),
    type: skips ? newest.type : due.type,
    trigger: onTime ? 'schedule' : 'missed',
    missed: skips || due.count === 1 ? [] : missedBefore(policy, since, newest.at),
    interruptions: 0,
  };
  return { run, leftOut, note };
}

/** When the runs before the newest one were due: the first of them, since they may be very many. */
function missedBefore(policy: Policy, since: number, newest: number): readonly string[] {
  return nextRuns(policy, since, maxMissed).flatMap(({ at }) => (at < newest ? [timestampOf(at)] : []));
}

/** Two runs that wait, as one: the later one, which stands for the other as well. */
export function merged(first: WaitingRun | undefined, later: WaitingRun): WaitingRun {
  if (first === undefined) return later;
  return {
    ...later,
    type: first.type === 'full' || later.type === 'full' ? 'full' : 'incremental',
    missed: [...new Set([...first.missed, first.scheduledFor, ...later.missed])]
      .filter((at) => at !== later.scheduledFor)
      .slice(0, maxMissed),
    interruptions: Math.max(first.interruptions, later.interruptions),
  };
}

/** RFC 3339 in UTC. */
export function timestampOf(ms: number): string {
  return new Date(ms).toISOString();
}

function missedNote(count: number, more: boolean, skips: boolean): string {
  const runs = count === 1 && !more ? 'One run was missed' : `${more ? 'More than ' : ''}${count} runs were missed`;
  return `${runs}. ${skips ? 'The policy says to leave them out.' : 'One run stands for all of them.'}`;
}
