/** Starts runs and follows them to their end. A run belongs to the daemon and outlives whoever looks at it. */
import type { DaemonClient } from '../connect/index.ts';
import * as daemon from '../protocol/daemon.ts';
import type { RunInfo, RunRequest } from '../protocol/daemon.ts';
import { errorCodes, errorFromReport, TidemarkError } from '../protocol/errors.ts';
import type { RunId } from '../protocol/ids.ts';
import type { CliContext } from './context.ts';
import { hasEnded } from './run-state.ts';
import { policyProgressView } from './policy-progress.ts';
import { progressView } from './progress.ts';
import type { ProgressView } from './progress.ts';

/** A view that prints every state of a run as a line of JSON. */
export function jsonLines(context: CliContext): ProgressView {
  return {
    update: (run) => context.terminal.out(`${JSON.stringify(run)}\n`),
    end: () => undefined,
  };
}

/** A view that shows nothing. */
export const silentView: ProgressView = { update: () => undefined, end: () => undefined };

/** Starts a run. Not cancelled by Ctrl-C: whether the run began must be known, so that it can be cancelled. */
export async function startRun(client: DaemonClient, request: RunRequest): Promise<RunInfo> {
  const { run } = await client.request(daemon.startRun, { request });
  return run;
}

/** How to follow a run. */
export interface FollowOptions {
  /** What Ctrl-C means: `cancel` for whoever started the run (it then waits for its end), `leave` for whoever only watches. */
  readonly onInterrupt: 'cancel' | 'leave';
  /** Default: bars or lines, as the terminal is; of the run of a policy its VMs. */
  readonly view?: ProgressView | undefined;
}

/** Follows a run until it has ended and returns its last state, whatever that is. Throws `TM1999` when it left on Ctrl-C. */
export async function followRun(
  context: CliContext,
  client: DaemonClient,
  id: RunId,
  options: FollowOptions,
): Promise<RunInfo> {
  const { run: now } = await client.request(daemon.getRun, { id });
  const { view = viewOf(context, now) } = options;
  const done = Promise.withResolvers<RunInfo>();
  let latest = -1;
  const show = (run: RunInfo): void => {
    if (run.parent === id) view.child?.(run);
    if (run.id !== id || run.sequence <= latest) return;
    latest = run.sequence;
    view.update(run);
    if (hasEnded(run)) done.resolve(run);
  };
  const onInterrupt = (): void => {
    if (options.onInterrupt === 'leave') {
      done.reject(leftRunning(id));
      return;
    }
    view.end();
    context.terminal.error('Cancelling the run; it cleans up first. Ctrl-C again does not wait for that.\n');
    client.request(daemon.cancelRun, { id }).then(({ run }) => show(run), done.reject);
  };
  const onLost = (): void => done.reject(client.closed.reason);
  const subscription = client.onNotification(daemon.runDidChange, ({ run }) => show(run));
  context.signal.addEventListener('abort', onInterrupt, { once: true });
  client.closed.addEventListener('abort', onLost, { once: true });
  try {
    // The children of a run have ids that nobody knows yet.
    const { runs } = await client.request(daemon.subscribeRuns, view.child === undefined ? { id } : {});
    // Lists begin with the newest; whoever looks reads what happened from the first on.
    for (const run of [...runs.toReversed(), now]) show(run);
    if (context.signal.aborted) onInterrupt();
    return await done.promise;
  } finally {
    view.end();
    subscription[Symbol.dispose]();
    context.signal.removeEventListener('abort', onInterrupt);
    client.closed.removeEventListener('abort', onLost);
  }
}

function viewOf({ terminal, style }: CliContext, { request }: RunInfo): ProgressView {
  return request.kind === 'policy' ? policyProgressView(terminal, style) : progressView(terminal, style);
}

function leftRunning(id: RunId): TidemarkError {
  return new TidemarkError(errorCodes.cancelled, `Run ${id} goes on in the daemon.`, {
    hint: `Watch it with \`tidemark run watch ${id}\`, stop it with \`tidemark run cancel ${id}\`.`,
  });
}

/** Starts a run, follows it, and returns it when it succeeded; otherwise throws its error. Ctrl-C cancels it. */
export async function runToEnd(
  context: CliContext,
  client: DaemonClient,
  request: RunRequest,
  view?: ProgressView,
): Promise<RunInfo> {
  const started = await startRun(client, request);
  const run = await followRun(context, client, started.id, { onInterrupt: 'cancel', view });
  throwUnlessSucceeded(run);
  return run;
}

/** Throws what a run that did not succeed ended with. */
export function throwUnlessSucceeded(run: RunInfo): void {
  if (run.state === 'succeeded') return;
  if (run.error !== undefined) throw errorFromReport(run.error);
  throw new TidemarkError(errorCodes.runInterrupted, `Run ${run.id} ended as ${run.state}.`, {
    hint: `\`tidemark run log ${run.id}\` says more.`,
  });
}
