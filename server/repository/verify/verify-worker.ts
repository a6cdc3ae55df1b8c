/** Verify worker: a thread that reads packs and checks every byte of them. */
import { workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

import { serveWorker } from '../../base/worker-main.ts';
import { cancelledError, throwIfAborted } from '../../protocol/errors.ts';
import type { StorageBackend } from '../backend.ts';
import { BlobOpener } from '../blob-opener.ts';
import { openLocalBackend } from '../local-backend.ts';
import { maxPackBytes } from '../pack-toc.ts';
import { readAndCheckPack } from './check-pack.ts';
import type { FromVerifyWorker, PackTask, ToVerifyWorker, VerifyWorkerData } from './verify-messages.ts';

class VerifyWorker {
  readonly #backend: StorageBackend;
  readonly #opener: BlobOpener;
  readonly #signal: AbortSignal;
  readonly #send: (message: FromVerifyWorker) => void;
  readonly #tasks: PackTask[] = [];
  #finishing = false;
  #wake: (() => void) | undefined;

  constructor(data: VerifyWorkerData, signal: AbortSignal, send: (message: FromVerifyWorker) => void) {
    this.#backend = openLocalBackend(data.location);
    this.#opener = new BlobOpener(data.keys, data.repositoryId);
    this.#signal = signal;
    this.#send = send;
  }

  receive(message: ToVerifyWorker): void {
    if (message.type === 'pack') this.#tasks.push(message.task);
    else if (message.type === 'finish') this.#finishing = true;
    this.#wake?.();
  }

  async run(): Promise<void> {
    // One pack in hand: while one thread reads the others compute.
    this.#send({ type: 'idle' });
    for (;;) {
      throwIfAborted(this.#signal);
      const task = this.#tasks.shift();
      if (task !== undefined) {
        const reading = this.#backend.get(task.name, { maxBytes: maxPackBytes, signal: this.#signal });
        const pack = await readAndCheckPack(task, reading, this.#opener, this.#signal);
        this.#send({ type: 'checked', pack });
        this.#send({ type: 'idle' });
      } else if (this.#finishing) {
        break;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    this.#send({ type: 'finished' });
  }
}

async function main(port: MessagePort): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- given by check-packs.ts of this same build
  const data = workerData as VerifyWorkerData;
  const abort = new AbortController();
  const worker = new VerifyWorker(data, abort.signal, (message) => port.postMessage(message));
  port.on('message', (message: ToVerifyWorker) => {
    if (message.type === 'abort') abort.abort(cancelledError());
    worker.receive(message);
  });
  await worker.run();
}

await serveWorker('verify-worker', main);
