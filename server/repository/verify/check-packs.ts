/** Reads and checks packs in worker threads. */
import { availableParallelism } from 'node:os';

import { runWorkers } from '../../base/worker-group.ts';
import type { WorkerEnd } from '../../base/worker-group.ts';
import { workerFile } from '../../base/worker-url.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import type { ChunkIndex, IndexedPack } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import { maxPackBytes } from '../pack-toc.ts';
import { readAndCheckPack } from './check-pack.ts';
import { expectedEntryBytes } from './verify-messages.ts';
import type { CheckedPack, FromVerifyWorker, PackTask, ToVerifyWorker, VerifyWorkerData } from './verify-messages.ts';

/** Threads at most. Each holds a pack in memory; more than four would only wait for the disk. */
const maxThreads = 4;

/** Less than this is checked right here: threads would take longer to start. */
const threadedBytes = 8 * 1024 * 1024;

/** What checking needs. */
export interface CheckPacksOptions {
  /** Of all packs together. */
  readonly totalBytes: number;
  readonly tasks: Iterable<PackTask>;
  readonly signal: AbortSignal;
  readonly onChecked: (pack: CheckedPack) => void;
  readonly log: (text: string) => void;
}

/** Checks every pack, each read once. Resolves when all are done. */
export async function checkPacks(core: RepositoryCore, options: CheckPacksOptions): Promise<void> {
  if (options.totalBytes < threadedBytes) {
    await checkHere(core, options);
    return;
  }
  const tasks = options.tasks[Symbol.iterator]();
  const workerData: VerifyWorkerData = { location: core.location, repositoryId: core.id, keys: core.keys };
  await runWorkers<ToVerifyWorker, Exclude<FromVerifyWorker, WorkerEnd>>({
    file: workerFile('verify-worker', import.meta.url),
    workerData,
    count: Math.min(maxThreads, availableParallelism()),
    signal: options.signal,
    abortMessage: { type: 'abort' },
    onMessage(message, send) {
      if (message.type === 'checked') {
        options.onChecked(message.pack);
        return;
      }
      const next = tasks.next();
      send(next.done === true ? { type: 'finish' } : { type: 'pack', task: next.value });
    },
    log: options.log,
  });
}

async function checkHere(core: RepositoryCore, { tasks, signal, onChecked }: CheckPacksOptions): Promise<void> {
  for (const task of tasks) {
    throwIfAborted(signal);
    const reading = core.backend.get(task.name, { maxBytes: maxPackBytes, signal });
    onChecked(await readAndCheckPack(task, reading, core.opener, signal));
  }
}

/** What the index says of a pack, for its worker. */
export function expectedEntries(index: ChunkIndex, pack: IndexedPack): Uint8Array {
  const expected = new Uint8Array(pack.count * expectedEntryBytes);
  const view = new DataView(expected.buffer);
  for (let entry = 0; entry < pack.count; entry++) {
    const position = entry * expectedEntryBytes;
    const { offset, recordBytes } = index.location(pack.first + entry);
    expected.set(index.idOf(pack.first + entry), position);
    view.setUint32(position + 32, offset, true);
    view.setUint32(position + 36, recordBytes, true);
  }
  return expected;
}
