/** Starts runs and follows them to their end. A run belongs to the daemon: leaving only stops the looking. */
import type { DaemonClient } from '../connect/index.ts';
import * as daemon from '../protocol/daemon.ts';
import type { RunInfo, RunRequest } from '../protocol/daemon.ts';
import { cancelledError, errorCodes, errorFromReport, TidemarkError } from '../protocol/errors.ts';
import type { RunId } from '../protocol/ids.ts';
import type { CliContext } from './context.ts';
import { progressView } from './progress.ts';
import type { ProgressView } from './progress.ts';

/** Whether a run is over. */
export function hasEnded(run: Pick<RunInfo, 'state'>): boolean {
  switch (run.state) {
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'interrupted':
      return true;
    case 'queued':
    case 'running':
    case 'cancelling':
      return false;
  }
}

/** A view that prints every state of a run as a line of JSON. */
export function jsonLines(context: CliContext): ProgressView {
  return {
    update: (run) => context.terminal.out(`${JSON.stringify(run)}\n`),
    end: () => undefined,
  };
}

/** Starts a run. */
export async function startRun(client: DaemonClient, request: RunRequest, signal: AbortSignal): Promise<RunInfo> {
  const { run } = await client.request(daemon.startRun, { request }, { signal });
  return run;
}

/**
 * Follows a run until it has ended and returns its last state. Throws the run's error when it failed or was cancelled.
 * Ctrl-C leaves it running and says so.
 */
export async function followRun(
  context: CliContext,
  client: DaemonClient,
  id: RunId,
  view: ProgressView = progressView(context.terminal, context.style),
): Promise<RunInfo> {
  const done = Promise.withResolvers<RunInfo>();
  let latest = -1;
  const show = (run: RunInfo): void => {
    if (run.id !== id || run.sequence <= latest) return;
    latest = run.sequence;
    view.update(run);
    if (hasEnded(run)) done.resolve(run);
  };
  using _subscription = client.onNotification(daemon.runDidChange, ({ run }) => show(run));
  const onInterrupt = (): void => done.reject(cancelledError());
  const onLost = (): void => done.reject(client.closed.reason);
  context.signal.addEventListener('abort', onInterrupt, { once: true });
  client.closed.addEventListener('abort', onLost, { once: true });
  try {
    const { runs } = await client.request(daemon.subscribeRuns, { id }, { signal: context.signal });
    for (const run of runs) show(run);
    const run = await done.promise;
    view.end();
    return run;
  } catch (error) {
    view.end();
    if (TidemarkError.is(error, errorCodes.cancelled) && context.signal.aborted) {
      throw new TidemarkError(errorCodes.cancelled, `Run ${id} goes on in the daemon.`, {
        hint: `Watch it with \`tidemark run watch ${id}\`, stop it with \`tidemark run cancel ${id}\`.`,
      });
    }
    throw error;
  } finally {
    context.signal.removeEventListener('abort', onInterrupt);
    client.closed.removeEventListener('abort', onLost);
  }
}

/** Starts a run, follows it, and returns it when it succeeded; otherwise throws its error. */
export async function runToEnd(
  context: CliContext,
  client: DaemonClient,
  request: RunRequest,
  view?: ProgressView,
): Promise<RunInfo> {
  const started = await startRun(client, request, context.signal);
  const run = await followRun(context, client, started.id, view);
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

