/** The states of a run. */
import { oneOf } from '../parse.ts';
import type { Parsed } from '../parse.ts';

export const runState = oneOf('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled', 'interrupted');
export type RunState = Parsed<typeof runState>;

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
