/** Verify worker: a thread that reads packs and checks every byte of them. */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

import { describeError } from '../../base/log.ts';
import { cancelledError, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { StorageBackend } from '../backend.ts';
import { BlobOpener } from '../blob-opener.ts';
import { openLocalBackend } from '../local-backend.ts';
import { maxPackBytes } from '../pack-toc.ts';
import { readAndCheckPack } from './check-pack.ts';
import type { FromVerifyWorker, PackTask, ToVerifyWorker, VerifyWorkerData } from './verify-messages.ts';

/** Packs in hand. While one thread reads the others compute; a second pack would cost 16 to 32 MiB in each of them. */
const packsInFlight = 1;

class VerifyWorker {
  readonly #backend: StorageBackend;
  readonly #opener: BlobOpener;
  readonly #signal: AbortSignal;
  readonly #send: (message: FromVerifyWorker) => void;
  readonly #tasks: { readonly task: PackTask; readonly bytes: Promise<Uint8Array> }[] = [];
  #finishing = false;
  #wake: (() => void) | undefined;

  constructor(data: VerifyWorkerData, signal: AbortSignal, send: (message: FromVerifyWorker) => void) {
    this.#backend = openLocalBackend(data.location);
    this.#opener = new BlobOpener(data.keys, data.repositoryId);
    this.#signal = signal;
    this.#send = send;
  }

  receive(message: ToVerifyWorker): void {
    if (message.type === 'pack') {
      const { task } = message;
      const bytes = this.#backend.get(task.name, { maxBytes: maxPackBytes, signal: this.#signal });
      // A failed read is reported when its turn comes.
      bytes.catch(() => undefined);
      this.#tasks.push({ task, bytes });
    } else if (message.type === 'finish') {
      this.#finishing = true;
    }
    this.#wake?.();
  }

  async run(): Promise<void> {
    for (let ask = 0; ask < packsInFlight; ask++) this.#send({ type: 'idle' });
    for (;;) {
      throwIfAborted(this.#signal);
      const current = this.#tasks.shift();
      if (current !== undefined) {
        const pack = await readAndCheckPack(current.task, current.bytes, this.#opener, this.#signal);
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

if (parentPort === null) throw new Error('verify-worker runs only as a worker thread');
const port = parentPort;
try {
  await main(port);
} catch (error) {
  const failure = TidemarkError.from(error);
  port.postMessage({
    type: 'failed',
    error: failure.report(),
    detail: describeError(error),
  } satisfies FromVerifyWorker);
} finally {
  port.close();
}
