/** Runs a group of worker threads to their common end: all finish, or the first failure or a cancel stops them all. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { cancelledError, errorCodes, errorFromReport, TidemarkError } from '../protocol/errors.ts';
import type { ErrorReport } from '../protocol/errors.ts';
import { describeError } from './log.ts';

/** How long an aborted worker has to close its connection and remove what it was writing, ms. */
const abortGraceMs = 700;

/** Space for the short-lived objects of a worker, MiB: what is large lies outside of it, and V8's default is 48. */
const maxYoungGenerationSizeMb = 6;

/** How workers end. Everything else they say is for `onMessage`. */
export type WorkerEnd =
  | { readonly type: 'finished' }
  | { readonly type: 'failed'; readonly error: ErrorReport; readonly detail: string };

/** A group of workers. `Out` is what they are told, `In` what they say besides how they end. */
export interface WorkerGroupOptions<Out, In> {
  readonly file: URL;
  readonly workerData: unknown;
  readonly count: number;
  readonly signal: AbortSignal;
  /** Told to a worker that has to stop early. */
  readonly abortMessage: Out;
  /** What it throws ends the group. */
  readonly onMessage: (message: In, send: (message: Out) => void) => void;
  /** Details of a worker's failure, for the log. */
  readonly log: (text: string) => void;
}

/** Resolves when every worker finished; throws the first failure, or the cancellation, after all of them ended. */
export async function runWorkers<Out, In extends { readonly type: string }>(
  options: WorkerGroupOptions<Out, In>,
): Promise<void> {
  const { signal, count } = options;
  const stop = new AbortController();
  const cancel = (): void => stop.abort(TidemarkError.is(signal.reason) ? signal.reason : cancelledError());
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await Promise.all(Array.from({ length: count }, async () => runWorker(options, stop)));
    if (stop.signal.aborted) throw stop.signal.reason;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function runWorker<Out, In extends { readonly type: string }>(
  options: WorkerGroupOptions<Out, In>,
  stop: AbortController,
): Promise<void> {
  if (stop.signal.aborted) return;
  const worker = startWorker(options, stop);
  if (worker === undefined) return;
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  try {
    await new Promise<void>((resolve, reject) => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
      const send = (message: Out): void => worker.postMessage(message);
      worker.on('message', (message: In | WorkerEnd) => {
        try {
          if (isEnd(message)) {
            if (message.type === 'finished') resolve();
            else {
              if (message.error.code !== errorCodes.cancelled) options.log(message.detail);
              reject(errorFromReport(message.error));
            }
          } else options.onMessage(message, send);
        } catch (error) {
          reject(error);
        }
      });
      worker.once('error', (error) => {
        // One that breaks while it stops fails nothing any more, and may not have cleaned up.
        if (stop.signal.aborted) options.log(describeError(error));
        reject(error);
      });
      worker.once('messageerror', reject);
      worker.once('exit', () => reject(new TidemarkError(errorCodes.internal, 'A worker thread ended early.')));
      stop.signal.addEventListener(
        'abort',
        () => {
          send(options.abortMessage);
          reject(stop.signal.reason);
        },
        { once: true },
      );
    });
  } catch (error) {
    stop.abort(error);
    await Promise.race([exited, sleep(abortGraceMs)]);
  } finally {
    await worker.terminate();
  }
}

/** A thread that the system refuses (too many of them) stops the group as one that fails does. */
function startWorker(
  { file, workerData }: Pick<WorkerGroupOptions<never, never>, 'file' | 'workerData'>,
  stop: AbortController,
): Worker | undefined {
  try {
    return new Worker(file, { workerData, resourceLimits: { maxYoungGenerationSizeMb } });
  } catch (error) {
    stop.abort(
      new TidemarkError(errorCodes.internal, 'A worker thread could not be started.', {
        hint: 'Check how many threads and how much memory the system allows.',
        cause: error,
      }),
    );
    return undefined;
  }
}

function isEnd(message: { readonly type: string }): message is WorkerEnd {
  return message.type === 'finished' || message.type === 'failed';
}
