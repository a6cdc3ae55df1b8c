/** The main thread's side of a transfer: hands out parts, answers which chunks are new, gathers what was stored. */
import { failpoint } from '../../base/failpoint.ts';
import { runWorkers } from '../../base/worker-group.ts';
import type { WorkerEnd } from '../../base/worker-group.ts';
import { workerFile } from '../../base/worker-url.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { WriteSession } from '../../repository/index.ts';
import type { ExportWorkerData, FromExportWorker, PartAssignment, ToExportWorker } from './export-messages.ts';
import type { ChangedChunks } from './ordered-changes.ts';
import { partBytes, partsOf } from './parts.ts';
import { Throttle } from './throttle.ts';
import type { TransferDisk } from './transfer-disk.ts';
import { WireCompression } from './wire-compression.ts';

/** What a transfer needs. */
export interface TransferOptions {
  readonly worker: ExportWorkerData;
  /** Disk parts at a time: one worker thread and one data connection each. */
  readonly threads: number;
  readonly disks: readonly TransferDisk[];
  /** Bytes a second of all disks and threads together, at most. */
  readonly bandwidth?: number | undefined;
  readonly session: Pick<WriteSession, 'claim' | 'addPack'>;
  readonly signal: AbortSignal;
  /** `bytes` more of this disk were read and are on their way into packs. */
  readonly onAdvance: (disk: TransferDisk, bytes: number) => void;
  readonly log: (text: string) => void;
}

type ExportReport = Exclude<FromExportWorker, WorkerEnd>;

/** Reads all parts of all disks into durable packs. Resolves when everything is on disk; throws the first failure after all workers ended. */
export async function transferDisks(options: TransferOptions): Promise<void> {
  const pool = new ExportPool(options);
  try {
    await pool.run();
  } catch (error) {
    for (const disk of options.disks) disk.changes.fail(error);
    throw error;
  }
}

interface PartInHand {
  readonly disk: TransferDisk;
  /** Position among the parts of its disk. */
  readonly order: number;
  readonly changes: ChangedChunks[];
}

class ExportPool {
  readonly #options: TransferOptions;
  readonly #parts: Generator<PartAssignment>;
  readonly #inHand = new Map<number, PartInHand>();
  readonly #compression: WireCompression;
  readonly #throttle: Throttle | undefined;
  readonly #over = new AbortController();

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#parts = this.#assignments();
    this.#compression = new WireCompression(options.threads, options.log);
    this.#throttle = options.bandwidth === undefined ? undefined : new Throttle(options.bandwidth);
  }

  async run(): Promise<void> {
    const { worker, threads, disks, signal, log } = this.#options;
    if (disks.every((disk) => disk.totalBytes === 0)) {
      for (const disk of disks) disk.changes.close(0);
      return;
    }
    try {
      await runWorkers<ToExportWorker, ExportReport>({
        file: workerFile('export-worker', import.meta.url),
        workerData: worker,
        count: threads,
        signal,
        abortMessage: { type: 'abort' },
        onMessage: (message, send) => this.#receive(message, send),
        log,
      });
    } finally {
      this.#over.abort();
    }
  }

  #receive(message: ExportReport, send: (message: ToExportWorker) => void): void {
    switch (message.type) {
      case 'idle': {
        const next = this.#parts.next();
        send(next.done === true ? { type: 'finish' } : { type: 'part', assignment: next.value });
        return;
      }
      case 'claim': {
        const isNew = this.#options.session.claim(message.ids);
        void this.#answer({ type: 'claimed', claim: message.claim, isNew }, message.readBytes, send);
        const part = this.#part(message.part);
        part.changes.push({ chunks: message.chunks, ids: message.ids });
        part.disk.readBytes += message.readBytes;
        this.#options.onAdvance(part.disk, message.readBytes);
        return;
      }
      case 'pack':
        this.#options.session.addPack(message);
        failpoint('backup.6-pack-stored');
        return;
      case 'stored': {
        const { disk } = this.#part(message.part);
        disk.newBytes += message.newBytes;
        disk.storedBytes += message.storedBytes;
        return;
      }
      case 'part-done': {
        const part = this.#part(message.part);
        this.#inHand.delete(message.part);
        part.disk.changes.partDone(part.order, part.changes);
        this.#compression.observe(message.bytes, message.elapsedMs, message.waitedMs);
        return;
      }
    }
  }

  /** A worker that waits for its answer reads nothing more; one that has to stop does not wait for it. */
  async #answer(answer: ToExportWorker, readBytes: number, send: (message: ToExportWorker) => void): Promise<void> {
    await this.#throttle?.spent(readBytes, this.#over.signal);
    send(answer);
  }

  #part(part: number): PartInHand {
    const found = this.#inHand.get(part);
    if (found === undefined) throw new TidemarkError(errorCodes.internal, `No part ${part} is being transferred.`);
    return found;
  }

  *#assignments(): Generator<PartAssignment> {
    let part = 0;
    for (const disk of this.#options.disks) {
      let order = 0;
      for (const { ranges, bytes } of partsOf(disk.chunks, partBytes(disk.totalBytes, this.#options.threads))) {
        this.#inHand.set(part, { disk, order, changes: [] });
        const { diskId, chunks } = disk;
        yield { part, diskId, chunkBytes: chunks.chunkBytes, ranges, bytes, compress: this.#compression.wanted };
        part += 1;
        order += 1;
      }
      disk.changes.close(order);
    }
  }
}
