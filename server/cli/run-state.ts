/** What the states of runs mean. */
import { isFinished } from '../protocol/daemon.ts';
import type { RunInfo } from '../protocol/daemon.ts';

/** Whether a run is over. */
export function hasEnded(run: Pick<RunInfo, 'state'>): boolean {
  return isFinished(run.state);
}
