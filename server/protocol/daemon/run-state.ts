/** The states of a run. */
import { oneOf } from '../parse.ts';
import type { Parsed } from '../parse.ts';

export const runState = oneOf('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled', 'interrupted');
export type RunState = Parsed<typeof runState>;
