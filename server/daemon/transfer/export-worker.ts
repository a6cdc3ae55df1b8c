/**
 * Export worker: a thread with its own data connection that turns chunks from the agent into durable packs.
 * Bytes never cross to the main thread, only ids do: the main thread owns the index and answers which are new.
 */
import { workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

import { serveWorker } from '../../base/worker-main.ts';
import { cancelledError, errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ExportId } from '../../protocol/ids.ts';
import { ChunkSealer, openLocalBackend } from '../../repository/index.ts';
import { openDataConnection } from '../agent-client/data-connection.ts';
import type { DataConnection } from '../agent-client/data-connection.ts';
import { ChunkBatch } from './chunk-batch.ts';
import type { ExportWorkerData, FromExportWorker, PartAssignment, ToExportWorker } from './export-messages.ts';
import { PackStore } from './pack-store.ts';

/** Parts asked of the agent ahead of the one being stored, so that the link never idles between parts. */
const partsInFlight = 2;

class ExportWorker {
  readonly #send: (message: FromExportWorker) => void;
  readonly #exportId: ExportId;
  readonly #connection: DataConnection;
  readonly #batch: ChunkBatch;
  readonly #packs: PackStore;
  /** Parts by the request number of their `read` frame, oldest first. */
  readonly #parts: { readonly request: number; readonly assignment: PartAssignment }[] = [];
  readonly #claims = new Map<number, (isNew: Uint8Array) => void>();
  #nextClaim = 0;
  #finishing = false;
  /** Why this worker has to end. */
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(
    send: (message: FromExportWorker) => void,
    exportId: ExportId,
    connection: DataConnection,
    sealer: ChunkSealer,
    packs: PackStore,
  ) {
    this.#send = send;
    this.#exportId = exportId;
    this.#connection = connection;
    this.#batch = new ChunkBatch(sealer, (frame) => connection.recycle(frame));
    this.#packs = packs;
  }

  receive(message: ToExportWorker): void {
    switch (message.type) {
      case 'part':
        this.#ask(message.assignment);
        break;
      case 'claimed': {
        const resolve = this.#claims.get(message.claim);
        this.#claims.delete(message.claim);
        resolve?.(message.isNew);
        return;
      }
      case 'finish':
        this.#finishing = true;
        break;
      case 'abort':
        this.#failure ??= { error: cancelledError() };
        this.#connection.close();
        // Nothing is new to a worker that has to stop: it gets to its end without storing more.
        for (const answer of this.#claims.values()) answer(new Uint8Array());
        break;
    }
    this.#wake?.();
  }

  /** Asks the agent for a part. Of one that came when the connection was lost already, `run` tells. */
  #ask(assignment: PartAssignment): void {
    const { diskId, chunkBytes, compress, ranges } = assignment;
    try {
      const request = this.#connection.send({ exportId: this.#exportId, diskId, chunkBytes, compress, ranges });
      this.#parts.push({ request, assignment });
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async run(): Promise<void> {
    for (let ask = 0; ask < partsInFlight; ask++) this.#send({ type: 'idle' });
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const current = this.#parts[0];
      if (current === undefined) {
        if (this.#finishing) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      await this.#storePart(current.request, current.assignment);
      this.#parts.shift();
      this.#send({ type: 'idle' });
    }
    await this.#packs.finish();
    this.#send({ type: 'finished' });
  }

  async #storePart(request: number, assignment: PartAssignment): Promise<void> {
    const started = performance.now();
    let waitedMs = 0;
    for (;;) {
      const asked = performance.now();
      const frame = await this.#connection.next();
      waitedMs += performance.now() - asked;
      if (frame.request !== request) throw wrongRequest(frame.request, request);
      if (frame.type === 'end') break;
      this.#batch.add(frame, assignment.chunkBytes);
      if (this.#batch.full) await this.#storeBatch(assignment.part);
    }
    await this.#storeBatch(assignment.part);
    const elapsedMs = performance.now() - started;
    this.#send({ type: 'part-done', part: assignment.part, bytes: assignment.bytes, elapsedMs, waitedMs });
  }

  async #storeBatch(part: number): Promise<void> {
    const batch = this.#batch;
    if (batch.empty) return;
    const claim = this.#nextClaim++;
    const { chunks, ids, readBytes } = batch.describe();
    const isNew = await new Promise<Uint8Array>((resolve) => {
      this.#claims.set(claim, resolve);
      this.#send({ type: 'claim', claim, part, chunks, ids, readBytes });
    });
    let newBytes = 0;
    let storedBytes = 0;
    for (const blob of batch.sealNew(isNew)) {
      newBytes += blob.rawBytes;
      storedBytes += await this.#packs.add(blob);
    }
    batch.clear();
    this.#send({ type: 'stored', part, newBytes, storedBytes });
  }
}

function wrongRequest(got: number, expected: number): TidemarkError {
  return new TidemarkError(
    errorCodes.agentProtocolViolation,
    `The agent answered request ${got} while request ${expected} was being read.`,
    { hint: 'Check that agent and daemon have the same version, then run the backup again.' },
  );
}

async function main(port: MessagePort): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- given by ExportPool of this same build
  const data = workerData as ExportWorkerData;
  const abort = new AbortController();
  const early: ToExportWorker[] = [];
  let worker: ExportWorker | undefined;
  port.on('message', (message: ToExportWorker) => {
    if (message.type === 'abort') abort.abort(cancelledError());
    if (worker === undefined) early.push(message);
    else worker.receive(message);
  });
  const connection = await openDataConnection(data.access, abort.signal);
  const send = (message: FromExportWorker): void => port.postMessage(message);
  const packs = new PackStore(openLocalBackend(data.location), data.writer, abort.signal, (pack) =>
    send({ type: 'pack', ...pack }),
  );
  try {
    worker = new ExportWorker(send, data.exportId, connection, new ChunkSealer(data.keys, data.repositoryId), packs);
    for (const message of early) worker.receive(message);
    await worker.run();
  } finally {
    connection.close();
    await packs.settle();
  }
}

await serveWorker('export-worker', main);
