/** Requests about runs. */
import * as id from '../ids.ts';
import { notification, request } from '../message.ts';
import { array, boolean, integer, object, optional, string } from '../parse.ts';
import { logLine, runInfo, runSample } from './run-model.ts';
import { runRequest } from './run-requests.ts';

/** Starts a run and returns at once. The same `key` returns the run that was started with it. A VM that is in a run already: `TM5102`. */
export const startRun = request(
  'tidemark/run/start',
  object({ request: runRequest, key: optional(string({ maxLength: 64 })) }),
  object({ run: runInfo }),
);
export const listRuns = request(
  'tidemark/run/list',
  object({ limit: integer(1, 10_000) }),
  object({ runs: array(runInfo) }),
);
export const getRun = request('tidemark/run/get', object({ id: id.runId }), object({ run: runInfo }));
/** Asks a run to stop; it cleans up first. Ended runs are left as they are. */
export const cancelRun = request('tidemark/run/cancel', object({ id: id.runId }), object({ run: runInfo }));

/** Lines from `fromLine` on. A page that shows the log live asks again from `nextLine`, with `waitMs`, until `complete`. */
export const getRunLog = request(
  'tidemark/run/log',
  object({
    id: id.runId,
    fromLine: integer(),
    /** Waits so long for a line to come when there is none yet; the answer comes as soon as there is one, or the run has ended. */
    waitMs: optional(integer(0, 60_000)),
  }),
  object({
    lines: array(logLine),
    nextLine: integer(),
    /** The run has ended and no line follows these. */
    complete: optional(boolean),
  }),
);

/** How much moved over time, from the start on, thinned to at most 600 samples; kept with the run. */
export const getRunSamples = request(
  'tidemark/run/samples',
  object({ id: id.runId }),
  object({ samples: array(runSample, 1024) }),
);

/** From now on this connection gets `runDidChange` for the run, or for all runs; the answer is the state now. */
export const subscribeRuns = request(
  'tidemark/run/subscribe',
  object({ id: optional(id.runId) }),
  object({ runs: array(runInfo) }),
);
/** A subscribed run changed; at most ten times a second for each run, the last state always. */
export const runDidChange = notification('tidemark/run/didChange', object({ run: runInfo }));
