/** States of runs in words. */
import type { RunState } from '../../protocol/daemon/run-state.ts';

const words: Readonly<Record<RunState, string>> = {
  queued: 'waits',
  running: 'is active',
  cancelling: 'is being cancelled',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'was cancelled',
  interrupted: 'was interrupted',
};

/** `succeeded`, `was cancelled`: what follows "the last run". */
export function runWords(state: RunState): string {
  return words[state];
}
