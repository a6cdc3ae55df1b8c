/** Facts about run states. */
import type { RunState } from '../../protocol/daemon.ts';

const finished: Readonly<Record<RunState, boolean>> = {
  queued: false,
  running: false,
  cancelling: false,
  succeeded: true,
  failed: true,
  cancelled: true,
  interrupted: true,
};

/** Whether a run in this state is over and will not change again. */
export function isFinished(state: RunState): boolean {
  return finished[state];
}
