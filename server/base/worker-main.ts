/** The frame of a worker thread of `runWorkers`: does its work and says how it failed. */
import { parentPort } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

import { TidemarkError } from '../protocol/errors.ts';
import { describeError } from './log.ts';
import type { WorkerEnd } from './worker-group.ts';

/** Runs `main` on the port to the parent; `main` itself says `finished`. What it throws goes to the parent as `failed`. */
export async function serveWorker(name: string, main: (port: MessagePort) => Promise<void>): Promise<void> {
  if (parentPort === null) throw new Error(`${name} runs only as a worker thread`);
  try {
    await main(parentPort);
  } catch (error) {
    const failure = TidemarkError.from(error);
    parentPort.postMessage({
      type: 'failed',
      error: failure.report(),
      detail: describeError(error),
    } satisfies WorkerEnd);
  } finally {
    parentPort.close();
  }
}
