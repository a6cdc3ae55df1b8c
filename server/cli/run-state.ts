/** What the states of runs mean. */
import type { RunInfo } from '../protocol/daemon.ts';

const ended: Readonly<Record<RunInfo['state'], boolean>> = {
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
