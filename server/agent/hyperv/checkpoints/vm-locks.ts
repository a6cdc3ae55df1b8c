/** One operation on a VM at a time: Hyper-V refuses a second one, and what came of an operation can be told only when nothing else happens. */
import { Semaphore } from '../../../base/concurrency.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { VmId } from '../../../protocol/ids.ts';

/** The locks of one provider. */
export class VmLocks {
  readonly #held = new Map<VmId, { readonly gate: Semaphore; users: number }>();

  /** Runs `task` when no other one of the VM runs. Throws `TM2104` when that takes longer than `waitMs`. */
  async run<T>(vm: VmId, waitMs: number, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const entry = this.#held.get(vm) ?? { gate: new Semaphore(1), users: 0 };
    this.#held.set(vm, entry);
    entry.users += 1;
    try {
      const release = await acquire(entry.gate, waitMs, signal);
      try {
        return await task();
      } finally {
        release();
      }
    } finally {
      entry.users -= 1;
      if (entry.users === 0) this.#held.delete(vm);
    }
  }

  /** Runs `task` when nothing else of the VM runs; else gives undefined at once. */
  async tryRun<T>(vm: VmId, task: () => Promise<T>): Promise<T | undefined> {
    if (this.#held.has(vm)) return undefined;
    return this.run(vm, 0, new AbortController().signal, task);
  }
}

async function acquire(gate: Semaphore, waitMs: number, signal: AbortSignal): Promise<() => void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(stillBusy()), waitMs);
  try {
    throwIfAborted(signal);
    return await gate.acquire(AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

function stillBusy(): TidemarkError {
  return new TidemarkError(errorCodes.vmBusy, 'An earlier operation of Tidemark on this VM has not ended yet.', {
    hint: 'It ends by itself, or when Hyper-V gives it up. Try again later.',
  });
}
