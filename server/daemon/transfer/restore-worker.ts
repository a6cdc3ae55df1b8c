/** Restore worker: a thread that reads packs, opens and checks blobs, and writes their chunks to the target. */
import { workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

import { serveWorker } from '../../base/worker-main.ts';
import { releaseMemory } from '../../base/memory.ts';
import { cancelledError, throwIfAborted } from '../../protocol/errors.ts';
import { BlobOpener, openLocalBackend } from '../../repository/index.ts';
import type { StorageBackend } from '../../repository/index.ts';
import { openSink } from './chunk-sink.ts';
import type { ChunkSink } from './chunk-sink.ts';
import type { FromRestoreWorker, RestoreTask, RestoreWorkerData, ToRestoreWorker } from './restore-messages.ts';

/** Tasks in hand: one being written, one being read. */
const tasksInFlight = 2;

class RestoreWorker {
  readonly #backend: StorageBackend;
  readonly #opener: BlobOpener;
  readonly #sink: ChunkSink;
  readonly #signal: AbortSignal;
  readonly #send: (message: FromRestoreWorker) => void;
  readonly #tasks: { readonly task: RestoreTask; readonly bytes: Promise<Uint8Array> }[] = [];
  #finishing = false;
  #wake: (() => void) | undefined;

  constructor(
    backend: StorageBackend,
    opener: BlobOpener,
    sink: ChunkSink,
    signal: AbortSignal,
    send: (message: FromRestoreWorker) => void,
  ) {
    this.#backend = backend;
    this.#opener = opener;
    this.#sink = sink;
    this.#signal = signal;
    this.#send = send;
  }

  receive(message: ToRestoreWorker): void {
    if (message.type === 'task') {
      const { task } = message;
      const bytes = this.#backend.get(task.pack, {
        range: { offset: task.offset, length: task.bytes },
        signal: this.#signal,
      });
      // A failed read is thrown when its turn comes.
      bytes.catch(() => undefined);
      this.#tasks.push({ task, bytes });
    } else if (message.type === 'finish') {
      this.#finishing = true;
    }
    this.#wake?.();
  }

  async run(): Promise<void> {
    for (let ask = 0; ask < tasksInFlight; ask++) this.#send({ type: 'idle' });
    for (;;) {
      throwIfAborted(this.#signal);
      const current = this.#tasks.shift();
      if (current !== undefined) {
        await this.#write(current.task, await current.bytes);
        this.#send({ type: 'idle' });
      } else if (this.#finishing) {
        break;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    await this.#sink.finish();
    this.#send({ type: 'finished' });
  }

  async #write(task: RestoreTask, bytes: Uint8Array): Promise<void> {
    let written = 0;
    for (const blob of task.blobs) {
      const record = bytes.subarray(blob.offset, blob.offset + blob.bytes);
      const plain = this.#opener.open(record, blob.id, { checkId: true });
      await this.#sink.write(plain, blob.target);
      written += plain.length;
      releaseMemory(plain);
    }
    releaseMemory(bytes);
    this.#send({ type: 'written', bytes: written });
  }
}

async function main(port: MessagePort): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- given by RestorePool of this same build
  const data = workerData as RestoreWorkerData;
  const abort = new AbortController();
  const early: ToRestoreWorker[] = [];
  let worker: RestoreWorker | undefined;
  port.on('message', (message: ToRestoreWorker) => {
    if (message.type === 'abort') abort.abort(cancelledError());
    if (worker === undefined) early.push(message);
    else worker.receive(message);
  });
  const sink = await openSink(data.target, abort.signal);
  try {
    worker = new RestoreWorker(
      openLocalBackend(data.location),
      new BlobOpener(data.keys, data.repositoryId),
      sink,
      abort.signal,
      (message) => port.postMessage(message),
    );
    for (const message of early) worker.receive(message);
    await worker.run();
  } finally {
    sink.close();
  }
}

await serveWorker('restore-worker', main);
