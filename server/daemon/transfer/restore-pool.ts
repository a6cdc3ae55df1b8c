/** The main thread's side of a restore: walks a block map in the order of the packs and hands out reads. */
import { runWorkers } from '../../base/worker-group.ts';
import type { WorkerEnd } from '../../base/worker-group.ts';
import { workerFile } from '../../base/worker-url.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { LocatedChunk } from '../../repository/index.ts';
import type {
  FromRestoreWorker,
  RestoreBlob,
  RestoreTask,
  RestoreWorkerData,
  ToRestoreWorker,
} from './restore-messages.ts';

/** Threads of a restore: hashing and unpacking keep two cores busy. */
const restoreThreads = 2;
/** Bytes of one read at most, and of a gap that is read over rather than skipped. */
const readBytes = 4 * 1024 * 1024;
const gapBytes = 64 * 1024;

/** What a restore of one disk needs. */
export interface RestoreDiskOptions {
  readonly worker: RestoreWorkerData;
  /** The chunks of the disk that are not zeros, sorted by pack and offset as far as memory allows. */
  readonly chunks: Iterable<LocatedChunk>;
  readonly chunkBytes: number;
  readonly signal: AbortSignal;
  readonly onAdvance: (bytes: number) => void;
  readonly log: (text: string) => void;
}

/** Writes all chunks to the target; each was authenticated and its id checked. */
export async function restoreChunks(options: RestoreDiskOptions): Promise<void> {
  let expected = 0;
  let written = 0;
  const tasks = tasksOf(
    counting(options.chunks, (bytes) => (expected += bytes)),
    options.chunkBytes,
  );
  await runWorkers<ToRestoreWorker, Exclude<FromRestoreWorker, WorkerEnd>>({
    file: workerFile('restore-worker', import.meta.url),
    workerData: options.worker,
    count: restoreThreads,
    signal: options.signal,
    abortMessage: { type: 'abort' },
    onMessage(message, send) {
      if (message.type === 'written') {
        written += message.bytes;
        options.onAdvance(message.bytes);
        return;
      }
      const next = tasks.next();
      send(next.done === true ? { type: 'finish' } : { type: 'task', task: next.value });
    },
    log: options.log,
  });
  if (tasks.next().done === true && written === expected) return;
  throw new TidemarkError(errorCodes.internal, `Of the disk's data ${written} bytes were written, not all.`);
}

function* counting(chunks: Iterable<LocatedChunk>, count: (bytes: number) => void): Generator<LocatedChunk> {
  for (const chunk of chunks) {
    count(chunk.location.rawBytes);
    yield chunk;
  }
}

/** Joins neighbouring blobs of a pack into reads. */
export function* tasksOf(chunks: Iterable<LocatedChunk>, chunkBytes: number): Generator<RestoreTask> {
  let task = 0;
  let current: { pack: string; offset: number; end: number; blobs: RestoreBlob[] } | undefined;
  for (const { chunk, id, location } of chunks) {
    const end = location.offset + location.recordBytes;
    const joins =
      current !== undefined &&
      current.pack === location.pack &&
      location.offset >= current.offset &&
      location.offset <= current.end + gapBytes &&
      end - current.offset <= readBytes;
    if (current === undefined || !joins) {
      if (current !== undefined) yield finishTask(task++, current);
      current = { pack: location.pack, offset: location.offset, end, blobs: [] };
    }
    current.end = Math.max(current.end, end);
    current.blobs.push({
      id,
      offset: location.offset - current.offset,
      bytes: location.recordBytes,
      rawBytes: location.rawBytes,
      target: chunk * chunkBytes,
    });
  }
  if (current !== undefined) yield finishTask(task, current);
}

function finishTask(
  task: number,
  read: {
    readonly pack: string;
    readonly offset: number;
    readonly end: number;
    readonly blobs: readonly RestoreBlob[];
  },
): RestoreTask {
  return { task, pack: read.pack, offset: read.offset, bytes: read.end - read.offset, blobs: read.blobs };
}
