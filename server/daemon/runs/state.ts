/** Facts about run states. */
import type { RunState } from '../../protocol/daemon.ts';

/** Whether a run in this state is over and will not change again. */
export function isFinished(state: RunState): boolean {
  switch (state) {
    case 'queued':
    case 'running':
    case 'cancelling':
      return false;
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'interrupted':
      return true;
  }
}
