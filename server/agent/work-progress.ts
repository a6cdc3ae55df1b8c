/** Percent of host operations as `JobContext` takes it, and waiting that ends when it is cancelled. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { JobKind } from '../protocol/agent.ts';
import { throwIfAborted } from '../protocol/errors.ts';
import type { JobContext } from './provider.ts';

/** One kind of work within a job: its percent never falls. */
export class WorkProgress {
  readonly #context: JobContext;
  readonly #kind: JobKind;
  #percent = -1;

  constructor(context: JobContext, kind: JobKind) {
    this.#context = context;
    this.#kind = kind;
    this.report(0);
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  /** The last percentage that was reported. */
  get percent(): number {
    return this.#percent;
  }

  /** Reports a percentage from 0 to 100; one that is not above the last is dropped. */
  report(percent: number): void {
    const whole = Math.min(100, Math.max(0, Math.floor(percent)));
    if (whole <= this.#percent) return;
    this.#percent = whole;
    this.#context.progress(this.#kind, whole);
  }

  /** A function for the percent of a part: 0 to 100 of it are `from` to `to` of the whole. */
  part(from: number, to: number): (percent: number) => void {
    return (percent) => this.report(from + ((to - from) * percent) / 100);
  }
}

/** Waits `milliseconds`; throws as soon as `signal` is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}
