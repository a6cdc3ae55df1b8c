/** What a run of a policy stands for, in words: the same in titles, lists and reports. */
import type { RunRequest } from '../protocol/daemon.ts';

/** A request names at most so many; see `policyRequest` in protocol/daemon. */
const mostNamed = 100;

/** Runs that were missed and that one run stands for. */
export interface MissedRuns {
  /** `12 missed runs`. */
  readonly text: string;
  /** When the first of them was due, RFC 3339. */
  readonly since: string;
}

/** Undefined for a run that stands for no other. A run that was missed itself counts as one of them. */
export function missedRuns(request: RunRequest): MissedRuns | undefined {
  if (request.kind !== 'policy') return undefined;
  const { missed = [], trigger } = request;
  const [since] = missed.toSorted((a, b) => Date.parse(a) - Date.parse(b));
  if (since === undefined) return undefined;
  const total = missed.length + (trigger === 'missed' ? 1 : 0);
  const text =
    missed.length >= mostNamed ? `${mostNamed} or more missed runs` : `${total} missed run${total === 1 ? '' : 's'}`;
  return { text, since };
}
