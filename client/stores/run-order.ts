/** Which runs are over, and in which order runs are shown. */
import { isFinished } from '../../server/protocol/daemon.ts';
import type { RunInfo } from '../../server/protocol/daemon.ts';
import type { RunId } from '../../server/protocol/ids.ts';

/** Whether a run is over. */
export function hasEnded(run: Pick<RunInfo, 'state'>): boolean {
  return isFinished(run.state);
}

/**
 * Newest first (ids sort by start time): all that are active, and the newest `recent` of those that have ended. A run that is part of
 * another one is kept with that one, and does not count.
 */
export function trimmed(runs: Iterable<RunInfo>, recent: number): readonly RunInfo[] {
  const all = [...runs].sort((a, b) => (a.id < b.id ? 1 : -1));
  const ids = new Set(all.map(({ id }) => id));
  const kept = new Set<RunId>();
  let room = recent;
  for (const run of all) {
    if (isPart(run, ids)) continue;
    if (!hasEnded(run) || --room >= 0) kept.add(run.id);
  }
  return all.filter((run) => kept.has(run.id) || !hasEnded(run) || (run.parent !== undefined && kept.has(run.parent)));
}

/** Whether a run is shown as part of another one: of a run that is among `ids`. */
function isPart({ parent }: RunInfo, ids: ReadonlySet<RunId>): boolean {
  return parent !== undefined && ids.has(parent);
}

/** The runs that are no part of another one of them, in their order. */
export function topLevel(runs: readonly RunInfo[]): readonly RunInfo[] {
  const ids = new Set(runs.map(({ id }) => id));
  return runs.filter((run) => !isPart(run, ids));
}
