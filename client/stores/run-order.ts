/** Which runs are over, and in which order runs are shown. */
import type { RunInfo, RunState } from '../../server/protocol/daemon.ts';

const ended: Readonly<Record<RunState, boolean>> = {
  queued: false,
  running: false,
  cancelling: false,
  succeeded: true,
  failed: true,
  cancelled: true,
  interrupted: true,
};

/** Whether a run is over. */
export function hasEnded(run: Pick<RunInfo, 'state'>): boolean {
  return ended[run.state];
}

/** Newest first (ids sort by start time): all that are active, and the newest `recent` of those that have ended. */
export function trimmed(runs: Iterable<RunInfo>, recent: number): readonly RunInfo[] {
  let room = recent;
  return [...runs]
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .filter((run) => {
      if (!hasEnded(run)) return true;
      room--;
      return room >= 0;
    });
}
